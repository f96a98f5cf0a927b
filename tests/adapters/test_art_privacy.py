"""What ART does of itself in extraction, inversion and membership inference, and what the adapters do about it."""

from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest
import torch
import toy_models as toy
from art.attacks.inference.model_inversion import MIFace
from art.defences.postprocessor import ClassLabels
from sklearn.metrics import roc_auc_score
from torch import Tensor, nn

from mri_robust.adapters import art_privacy
from mri_robust.adapters.art import as_art_classifier
from mri_robust.adapters.art_privacy import Shuffled, TopOne, invert, steal
from mri_robust.attacks.privacy.extraction import Extraction
from mri_robust.attacks.privacy.inversion import Inversion
from mri_robust.attacks.privacy.membership import membership_scores

IMAGES, LABELS, SEEN, CLASSES = toy.dyadic_images(120), torch.arange(120) % 4, 60, torch.arange(4)
POOL = np.random.default_rng(3).integers(0, 256, (400, 1, 4, 4), dtype=np.uint8)
TEST = torch.from_numpy(np.random.default_rng(4).random((300, 1, 4, 4), dtype=np.float32))


def rob(attack: Extraction, known: nn.Module, defence: str = "") -> tuple[toy.Linear, Tensor]:
    """The copy, and the answers that it learned from."""
    thief = toy.blank()
    queries = attack.draw(POOL, toy.seeded())
    return thief, steal(attack, known, thief, queries, defence=defence, seed=7)[1]


@pytest.mark.parametrize("labels_only", [False, True])
@pytest.mark.parametrize("budget", [33, 100])
def test_each_query_is_asked_once_and_answered_as_the_attack_says(budget: int, labels_only: bool) -> None:
    model, attack = (
        toy.Counter(toy.four_readers()),
        Extraction("training images", budget, labels_only=labels_only, updates=1),
    )
    thief = toy.blank()
    asked, answers = steal(attack, model, thief, attack.draw(POOL, toy.seeded()), seed=7)
    assert model.answers == len(asked) == len(answers) == len({image.numpy().tobytes() for image in asked}) == budget
    with torch.no_grad():
        expected = model(asked).softmax(1)
    torch.testing.assert_close(answers, torch.eye(4)[expected.argmax(1)] if labels_only else expected)


def test_ours_and_arts_copies_are_equal_where_the_order_of_the_queries_plays_no_part() -> None:
    """With all queries in one batch the two differ in the order of a sum alone."""
    attack = Extraction("training images", 200, updates=60, batch_size=200, learning_rate=0.05)
    theirs, ours = rob(attack, toy.four_readers())[0], toy.blank()
    attack(
        lambda images: toy.four_readers()(images).softmax(1),
        ours,
        attack.draw(POOL, toy.seeded()),
        generator=toy.seeded(7),
    )
    torch.testing.assert_close(ours.weight, theirs.weight, rtol=1e-3, atol=1e-4)
    assert ours.weight.abs().max() > 0.5


def test_arts_class_labels_give_one_answer_to_all_and_top_one_the_class() -> None:
    outputs = np.array([[0.6, 0.4, 0.0], [0.1, 0.2, 0.7], [0.9, 0.05, 0.05]], dtype=np.float32)
    assert TopOne()(outputs).tolist() == [[1, 0, 0], [0, 0, 1], [1, 0, 0]]
    assert ClassLabels()(outputs).tolist() == [[1, 0, 1]] * 3


def test_a_defence_leaks_the_class_alone_one_decimal_or_nothing() -> None:
    """With the class alone Knockoff Nets is Copycat CNN; from shuffled answers a thief learns nothing."""
    attack = Extraction("training images", 120, updates=30)
    knockoff, copycat = (
        rob(attack, toy.four_readers(), "top-1")[0],
        rob(replace(attack, labels_only=True), toy.four_readers())[0],
    )
    assert torch.equal(knockoff.weight, copycat.weight)
    answers = rob(Extraction("noise", 50, updates=1), toy.four_readers(0.7), "rounded")[1]
    torch.testing.assert_close(answers * 10, (answers * 10).round())
    assert len(answers.unique()) > 3
    assert sorted(Shuffled()(np.arange(8.0).reshape(4, 2)).tolist()) == [[0, 1], [2, 3], [4, 5], [6, 7]]
    attack = Extraction("training images", 400, updates=400, batch_size=100, learning_rate=0.05)
    thief = rob(attack, toy.four_readers(), "shuffled")[0]
    with torch.no_grad():
        truth, copied = toy.four_readers()(TEST).argmax(1), thief(TEST).argmax(1)
    assert (truth == copied).float().mean() < torch.bincount(truth).max() / 300 + 0.1 < 0.5


@pytest.mark.parametrize("loss", ["probability", "logit"])
@pytest.mark.parametrize("steps", [1, 5, 20])
def test_our_inversion_is_arts_step_by_step_from_the_same_start(loss: str, steps: int) -> None:
    """The same operations in the same order; twenty steps may round otherwise by 2**-24 each."""
    attack = Inversion(steps, step=0.5 if loss == "probability" else 0.02, loss=loss, scaled=False)
    model, images, rounding = toy.small_net(), toy.dyadic_images(4), 20 * 2.0**-24
    arts = invert(attack, model, images, CLASSES)
    assert (attack(model, images, CLASSES) - arts).abs().max() <= rounding
    more = replace(attack, steps=steps + 1)(model, images, CLASSES)
    assert (more - arts).abs().amax((1, 2, 3)).min() > 100 * rounding


def test_a_class_freezes_at_arts_default_threshold_on_logits_and_not_through_the_adapter() -> None:
    weight, grey = torch.randn(4, 64, generator=toy.seeded(1)) / 8, torch.full((4, 1, 8, 8), 0.5)
    model = toy.Linear(weight, torch.full((4,), -1000.0))  # every logit is far under .01, the cost far over .99
    attack = Inversion(20, step=0.001, loss="logit", scaled=False)
    classifier = as_art_classifier(model, nb_classes=4, input_shape=(1, 8, 8))
    default = MIFace(classifier, max_iter=20, learning_rate=0.001, batch_size=4, verbose=False)
    frozen = torch.from_numpy(default.infer(grey.numpy(), y=CLASSES.numpy()))
    assert torch.equal(frozen, replace(attack, steps=1)(model, grey, CLASSES))
    assert (invert(attack, model, grey, CLASSES) - frozen).abs().amax((1, 2, 3)).min() > 0.002


@pytest.mark.parametrize("given", [{"loss": "cross-entropy"}, {"smoothing": 1.0}, {"scaled": True}])
def test_an_inversion_that_art_cannot_do_is_refused(given: dict) -> None:
    plain = Inversion(20, step=0.5, loss="probability", scaled=False)
    with pytest.raises(ValueError, match="MIFace"):
        invert(replace(plain, **given), toy.small_net(), toy.dyadic_images(4), CLASSES)


class Memory(nn.Module):
    """Knows the label of the first 60 images by heart, and of the others nothing: it guesses from their pixels."""

    classes, image_size, channels = ("glioma", "meningioma", "notumor", "pituitary"), 8, "grey"

    def __init__(self, sure: float = 6.0) -> None:
        super().__init__()
        self.sure = nn.Parameter(torch.tensor(sure))
        self.register_buffer("keys", IMAGES[:SEEN].flatten(1))

    def forward(self, images: Tensor) -> Tensor:
        same = (images.flatten(1)[:, None] == self.keys).all(2)
        known = nn.functional.one_hot(LABELS[:SEEN][same.float().argmax(1)], 4) * self.sure
        return torch.where(same.any(1)[:, None], known, (images.flatten(1)[:, :4] * 997) % 1)


@pytest.mark.parametrize("classes", [(0, 1, 2, 3), (2, 3)])
def test_arts_rule_says_member_where_the_prediction_is_right(classes: tuple[int, ...]) -> None:
    """Also of images that lack some classes, where ART alone would take class 2 for one of two."""
    model, kept = toy.small_net(), torch.isin(LABELS, torch.tensor(classes))
    with torch.no_grad():
        right = model(IMAGES[kept]).argmax(1) == LABELS[kept]
    assert np.array_equal(art_privacy.rule_says_member(model, (IMAGES[kept], LABELS[kept])), right.numpy())
    assert 0 < right.sum() < len(right)


def test_the_learned_attack_finds_images_that_it_was_not_shown() -> None:
    parts = [slice(0, 30), slice(60, 90), torch.cat([torch.arange(30, 60), torch.arange(90, 120)])]
    known, unknown, asked = ((IMAGES[part], LABELS[part]) for part in parts)
    truth = np.repeat([1, 0], 30)
    assert roc_auc_score(truth, art_privacy.learned_scores(Memory(), known, unknown, asked, seed=0)) > 0.95
    assert 0.3 < roc_auc_score(truth, art_privacy.learned_scores(toy.small_net(), known, unknown, asked, seed=0)) < 0.7


def test_models_and_global_generators_are_left_as_they_were_and_the_seed_decides() -> None:
    model = toy.unsettle(toy.small_net())
    before, drawn = toy.state_of(model), (torch.get_rng_state(), np.random.get_state()[1].copy())
    known, unknown, asked = ((IMAGES[i : i + 40], LABELS[i : i + 40]) for i in (0, 40, 80))
    art_privacy.rule_says_member(model, asked)
    np.testing.assert_allclose(
        -membership_scores(model, *asked).numpy(), art_privacy.art_losses(model, asked), rtol=1e-5, atol=1e-6
    )
    steal(Extraction("noise", 40, updates=4), model, toy.small_net(1), IMAGES[:40], seed=5)
    invert(Inversion(2, step=0.5, loss="probability", scaled=False), model, IMAGES[:4], CLASSES)
    one, same = (art_privacy.learned_scores(model, known, unknown, asked, seed=3) for _ in range(2))
    assert np.array_equal(one, same)
    toy.assert_unchanged(model, before)
    assert torch.equal(drawn[0], torch.get_rng_state())
    assert np.array_equal(drawn[1], np.random.get_state()[1])
    for bomb in (toy.unsettle(toy.Bomb(toy.small_net(), fuse)) for fuse in (3, 99)):
        before = toy.state_of(bomb)
        with suppress(RuntimeError):
            invert(Inversion(5, step=0.5, loss="probability", scaled=False), bomb, IMAGES[:4], CLASSES)
        toy.assert_unchanged(bomb, before)
