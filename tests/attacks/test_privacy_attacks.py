"""Extraction, inversion and membership inference: closed forms and models that are known."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
import toy_models as toy
from scipy.ndimage import gaussian_filter
from sklearn.metrics import log_loss
from torch import Tensor, nn

from mri_robust.attacks.privacy import membership
from mri_robust.attacks.privacy.extraction import Extraction
from mri_robust.attacks.privacy.inversion import Inversion
from mri_robust.attacks.privacy.membership import membership_scores

# Extraction

POOL = np.random.default_rng(3).integers(0, 256, (400, 1, 4, 4), dtype=np.uint8)
TEST = torch.from_numpy(np.random.default_rng(4).random((300, 1, 4, 4), dtype=np.float32))


def rob(attack: Extraction, victim: nn.Module, thief: nn.Module) -> tuple[Tensor, Tensor]:
    return attack(
        lambda images: victim(images).softmax(1), thief, attack.draw(POOL, toy.seeded()), generator=toy.seeded(7)
    )


class TestExtraction:
    def test_the_copy_of_a_linear_model_agrees_with_it_everywhere(self) -> None:
        victim, thief = toy.four_readers(), toy.blank()
        rob(Extraction("training images", 400, updates=400, batch_size=400, learning_rate=1.0), victim, thief)
        with torch.no_grad():
            assert torch.equal(victim(TEST).argmax(1), thief(TEST).argmax(1))

    @pytest.mark.parametrize("labels_only", [False, True])
    @pytest.mark.parametrize("budget", [33, 100])
    def test_each_query_is_asked_once_and_answered_as_the_attack_says(self, budget: int, labels_only: bool) -> None:
        victim = toy.Counter(toy.four_readers())
        attack = Extraction("training images", budget, labels_only=labels_only, updates=1)
        asked, answers = rob(attack, victim, toy.blank())
        assert victim.answers == len(asked) == len(answers) == budget
        assert len({image.numpy().tobytes() for image in asked}) == budget
        with torch.no_grad():
            expected = victim(asked).softmax(1)
        expected = nn.functional.one_hot(expected.argmax(1), 4).float() if labels_only else expected
        torch.testing.assert_close(answers, expected)

    def test_the_seed_decides_and_the_global_state_does_not_move(self) -> None:
        copies, before = [toy.small_net(1), toy.small_net(1)], torch.get_rng_state()
        attack, queries = Extraction("noise", 40, updates=4), toy.dyadic_images(40)
        for thief in copies:
            attack(lambda images: toy.small_net()(images).softmax(1), thief, queries, generator=toy.seeded())
        assert torch.equal(torch.get_rng_state(), before)
        assert torch.equal(copies[0].head.weight, copies[1].head.weight)


def test_queries_and_steps_follow_from_the_budget() -> None:
    attack = Extraction("noise", 300, updates=200, batch_size=32)
    for queries in (1, 100, 1000, 6400):
        assert 200 <= attack.epochs(queries) * -(-queries // 32) < 200 + -(-queries // 32)
    small, large = (Extraction("phantom", budget).draw(POOL, toy.seeded(3)) for budget in (50, 200))
    assert torch.equal(small, large[:50])
    noise = attack.draw(POOL, toy.seeded())
    assert noise.shape == (300, 1, 4, 4)
    assert abs(float(noise.mean()) - 0.5) < 0.03
    with pytest.raises(ValueError, match="400"):
        Extraction("training images", 401).draw(POOL, toy.seeded())


# Inversion

CLASSES, GREY = torch.arange(4), torch.full((4, 1, 8, 8), 0.5)


def linear() -> toy.Linear:
    return toy.Linear(torch.randn(4, 64, generator=toy.seeded(1)) / 8, torch.zeros(4))


class TestInversion:
    def test_the_logit_alone_is_greatest_where_its_own_weights_are_positive(self) -> None:
        model = linear()
        made = Inversion(400, step=8.0, loss="logit", scaled=False)(model, GREY, CLASSES)
        assert torch.equal(made, (model.weight > 0).float().reshape(GREY.shape))

    @pytest.mark.parametrize(("scaled", "smoothing"), [(False, 0.0), (True, 0.0), (True, 0.8)])
    def test_one_step_follows_the_known_gradient(self, scaled: bool, smoothing: float) -> None:
        """Of the cross entropy of a linear softmax model: W^T (p - e_y)."""
        model = linear()
        moved = (GREY - Inversion(1, step=0.01, scaled=scaled, smoothing=smoothing)(model, GREY, CLASSES)).numpy()
        gradients = ((model(GREY).softmax(1) - torch.eye(4)) @ model.weight).reshape(GREY.shape).detach().numpy()
        for change, gradient in zip(moved[:, 0], gradients[:, 0], strict=True):
            # scipy's `mirror` is what torchvision calls reflection
            expected = gaussian_filter(gradient, smoothing, mode="mirror", radius=3) if smoothing else gradient
            expected = expected / np.sqrt((expected**2).mean()) if scaled else expected
            np.testing.assert_allclose(change, 0.01 * expected, atol=1e-6)

    def test_an_image_does_not_depend_on_the_batch_and_the_model_is_left_as_it_was(self) -> None:
        model, images = toy.unsettle(toy.small_net()), toy.dyadic_images(4)
        before, kept, attack = toy.state_of(model), images.clone(), Inversion(5, step=0.02, smoothing=0.5)
        with torch.no_grad():
            together = attack(model, images, CLASSES)
        alone = torch.cat([attack(model, images[i : i + 1], CLASSES[i : i + 1]) for i in range(4)])
        torch.testing.assert_close(together, alone, atol=1e-5, rtol=0)
        assert torch.equal(images, kept)
        assert 0 <= together.min() <= together.max() <= 1
        toy.assert_unchanged(model, before)
        bomb = toy.unsettle(toy.Bomb(toy.small_net(), 3))
        before = toy.state_of(bomb)
        with pytest.raises(RuntimeError, match="boom"):
            attack(bomb, images, CLASSES)
        toy.assert_unchanged(bomb, before)

    def test_a_smoothing_wider_than_the_image_and_a_class_that_is_none_are_refused(self) -> None:
        for attack, labels, named in (
            (Inversion(1, step=0.1, smoothing=3.0), CLASSES, "smoothing"),
            (Inversion(1, step=0.1), CLASSES + 1, "labels"),
        ):
            with pytest.raises(ValueError, match=named):
                attack(toy.small_net(), toy.dyadic_images(4), labels)


# Membership

IMAGES, LABELS = toy.dyadic_images(120), torch.arange(120) % 4


class TestMembership:
    def test_the_score_is_less_the_cross_entropy_as_scikit_learn_has_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(membership, "BATCH", 7)
        model = toy.small_net()
        scores = membership_scores(model, IMAGES, LABELS)
        with torch.no_grad():
            rows = model(IMAGES).double().softmax(1).numpy()
        expected = [
            -log_loss([label], [row], labels=range(4)) for label, row in zip(LABELS.tolist(), rows, strict=True)
        ]
        np.testing.assert_allclose(scores.numpy(), expected, rtol=1e-6)
        unsettled = toy.unsettle(toy.small_net())
        before = toy.state_of(unsettled)
        assert torch.equal(membership_scores(unsettled, IMAGES, LABELS), scores)
        toy.assert_unchanged(unsettled, before)

    def test_losses_near_zero_stay_apart(self) -> None:
        """Logits 20 and 21 above the others: in float32 both losses are 0."""
        sure = nn.Module()
        sure.forward = lambda images: torch.tensor([[20.0, 0, 0, 0], [21.0, 0, 0, 0]])  # type: ignore[method-assign]
        found = membership_scores(sure, IMAGES[:2], torch.zeros(2, dtype=torch.int64)).tolist()
        assert found == pytest.approx([-3 * np.exp(-20), -3 * np.exp(-21)], rel=1e-6)


@pytest.mark.parametrize(
    ("attack", "wrong", "error"),
    [
        (Extraction("noise", 10), {"queries": "letters"}, ValueError),
        (Extraction("noise", 10), {"budget": 0}, ValueError),
        (Extraction("noise", 10), {"updates": 1.5}, TypeError),
        (Extraction("noise", 10), {"learning_rate": 0.0}, ValueError),
        (Inversion(5, step=0.1), {"step": 1.5}, ValueError),
        (Inversion(5, step=0.1), {"loss": "margin"}, ValueError),
        (Inversion(5, step=0.1), {"smoothing": -1.0}, ValueError),
    ],
)
def test_wrong_parameters_are_refused_by_name(attack: Any, wrong: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error, match=next(iter(wrong))):
        replace(attack, **wrong)
