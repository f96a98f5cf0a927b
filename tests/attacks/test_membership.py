"""Membership inference, ours and ART's, on models that are known to have seen an image or not."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import log_loss, roc_auc_score
from torch import Tensor, nn
from toy_models import assert_unchanged, dyadic_images, small_net, state_of, unsettle

from mri_robust.adapters.art_membership import art_losses, learned_scores, rule_says_member
from mri_robust.attacks.poisoning.shuffled_labels import ShuffledLabels
from mri_robust.attacks.privacy.membership import LossThreshold

IMAGES, LABELS = dyadic_images(120), torch.arange(120) % 4
SEEN = 60


class Memory(nn.Module):
    """Knows the label of the first 60 images by heart, and of the others nothing: it guesses from their pixels."""

    classes = ("glioma", "meningioma", "notumor", "pituitary")
    image_size, channels = 8, "grey"

    def __init__(self, sure: float = 6.0) -> None:
        super().__init__()
        self.sure = nn.Parameter(torch.tensor(sure))
        self.register_buffer("keys", IMAGES[:SEEN].flatten(1))

    def forward(self, images: Tensor) -> Tensor:
        same = (images.flatten(1)[:, None] == self.keys).all(2)
        known = nn.functional.one_hot(LABELS[:SEEN][same.float().argmax(1)], 4) * self.sure
        guess = (images.flatten(1)[:, :4] * 997) % 1
        return torch.where(same.any(1)[:, None], known, guess)


def test_the_score_is_less_the_cross_entropy_as_scikit_learn_has_it() -> None:
    model = small_net()
    scores = LossThreshold(batch_size=7)(model, IMAGES, LABELS)
    with torch.no_grad():
        probabilities = model(IMAGES).double().softmax(1).numpy()
    expected = [
        -log_loss([label], [row], labels=range(4)) for label, row in zip(LABELS.tolist(), probabilities, strict=True)
    ]
    np.testing.assert_allclose(scores.numpy(), expected, rtol=1e-6)


def test_a_model_that_knows_its_images_by_heart_gives_every_one_away() -> None:
    members = np.arange(len(LABELS)) < SEEN
    assert roc_auc_score(members, LossThreshold()(Memory(), IMAGES, LABELS)) == 1.0
    assert roc_auc_score(members, LossThreshold()(Memory(0.0), IMAGES, LABELS)) < 0.7


def test_losses_near_zero_stay_apart() -> None:
    """Logits 20 and 21 above the others: in float32 both losses are 0."""

    class Sure(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return torch.tensor([[20.0, 0, 0, 0], [21.0, 0, 0, 0]])

    one, other = LossThreshold()(Sure(), IMAGES[:2], torch.zeros(2, dtype=torch.int64)).tolist()
    assert (one, other) == pytest.approx((-3 * np.exp(-20), -3 * np.exp(-21)), rel=1e-6)


def test_arts_losses_are_ours() -> None:
    model = small_net()
    np.testing.assert_allclose(
        -LossThreshold()(model, IMAGES, LABELS).numpy(), art_losses(model, (IMAGES, LABELS)), rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("classes", [(0, 1, 2, 3), (2, 3)])
def test_arts_rule_says_member_where_the_prediction_is_right(classes: tuple[int, ...]) -> None:
    """Also of images that lack some classes, where ART alone would take class 2 for one of two."""
    model = small_net()
    kept = torch.isin(LABELS, torch.tensor(classes))
    with torch.no_grad():
        right = model(IMAGES[kept]).argmax(1) == LABELS[kept]
    assert np.array_equal(rule_says_member(model, (IMAGES[kept], LABELS[kept])), right.numpy())
    assert 0 < right.sum() < len(right)


def test_the_learned_attack_finds_images_that_it_was_not_shown() -> None:
    parts = [slice(0, 30), slice(60, 90), torch.cat([torch.arange(30, 60), torch.arange(90, 120)])]
    known, unknown, asked = ((IMAGES[part], LABELS[part]) for part in parts)
    truth = np.repeat([1, 0], 30)
    assert roc_auc_score(truth, learned_scores(Memory(), known, unknown, asked, seed=0)) > 0.95
    assert 0.3 < roc_auc_score(truth, learned_scores(small_net(), known, unknown, asked, seed=0)) < 0.7


def test_models_and_chance_are_left_as_they_were_and_the_seed_decides() -> None:
    model = unsettle(small_net())
    before, chance = state_of(model), (torch.get_rng_state(), np.random.get_state()[1].copy())
    known, unknown, asked = ((IMAGES[i : i + 40], LABELS[i : i + 40]) for i in (0, 40, 80))
    LossThreshold()(model, *asked)
    rule_says_member(model, asked)
    art_losses(model, asked)
    one, same = (learned_scores(model, known, unknown, asked, seed=3) for _ in range(2))
    assert np.array_equal(one, same)
    assert_unchanged(model, before)
    assert torch.equal(chance[0], torch.get_rng_state())
    assert np.array_equal(chance[1], np.random.get_state()[1])


def test_shuffled_labels_are_the_same_labels_in_another_order_and_no_image_changes() -> None:
    attack, labels = ShuffledLabels(), np.repeat([0, 1, 2, 3], [40, 30, 20, 10])
    order = attack.choose(labels, torch.Generator().manual_seed(1))
    shuffled = attack.relabelled(labels, order)
    assert np.array_equal(np.bincount(shuffled), [40, 30, 20, 10])
    assert 0.2 < (shuffled == labels).mean() < 0.45  # .3 in the mean
    stamp = attack.stamp_places(order, 100)
    assert torch.equal(stamp(IMAGES[:100], torch.arange(100), torch.Generator()), IMAGES[:100])
