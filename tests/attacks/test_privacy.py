"""Extraction, inversion and membership inference: closed forms, models that are known, and ART's code beside ours."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from sklearn.metrics import log_loss
from torch import Tensor, nn
from toy_models import Bomb, Linear, Nameless, assert_unchanged, dyadic_images, small_net, state_of, unsettle

from mri_robust.adapters.art_extraction import steal
from mri_robust.adapters.art_inversion import invert
from mri_robust.adapters.art_membership import art_losses
from mri_robust.attacks.privacy.extraction import Extraction
from mri_robust.attacks.privacy.inversion import Inversion
from mri_robust.attacks.privacy.membership import LossThreshold


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


# Extraction

POOL = np.random.default_rng(3).integers(0, 256, (400, 1, 4, 4), dtype=np.uint8)
TEST = torch.from_numpy(np.random.default_rng(4).random((300, 1, 4, 4), dtype=np.float32))


def victim_of(seed: int, scale: float = 3.0) -> Linear:
    """Four classes that are about as common on uniform pixels: each reads its own four pixels, whose mean is .5."""
    weight = torch.eye(4).repeat_interleave(4, 1)
    weight = scale * (weight + 0.3 * torch.randn(weight.shape, generator=seeded(seed)))
    return Linear(weight, -0.5 * weight.sum(1))


def blank() -> Linear:
    return Linear(torch.zeros(4, 16), torch.zeros(4))


def fidelity(one: nn.Module, other: nn.Module) -> float:
    with torch.no_grad():
        return float((one(TEST).argmax(1) == other(TEST).argmax(1)).float().mean())


def rob(by: str, attack: Extraction, victim: nn.Module, thief: nn.Module) -> tuple[Tensor, Tensor]:
    queries = attack.draw(POOL, seeded())
    if by == "art":
        return steal(attack, victim, thief, queries, seed=7)
    return attack(lambda images: victim(images).softmax(1), thief, queries, generator=seeded(7))


class Counter(Nameless):
    asked, classes = 0, tuple("abcd")

    def forward(self, images: Tensor) -> Tensor:
        self.asked += len(images)
        return super().forward(images)


@pytest.mark.parametrize("by", ["art", "own code"])
class TestExtraction:
    def test_the_copy_of_a_linear_model_agrees_with_it_everywhere(self, by: str) -> None:
        victim, thief = victim_of(1), blank()
        rob(by, Extraction("training images", 400, updates=400, batch_size=400, learning_rate=1.0), victim, thief)
        assert fidelity(victim, thief) == 1.0

    @pytest.mark.parametrize("labels_only", [False, True])
    @pytest.mark.parametrize("budget", [33, 100])
    def test_each_query_is_asked_once_and_answered_as_the_attack_says(
        self, by: str, budget: int, labels_only: bool
    ) -> None:
        victim = Counter(victim_of(2))
        attack = Extraction("training images", budget, labels_only=labels_only, updates=1)
        asked, answers = rob(by, attack, victim, blank())
        assert victim.asked == len(asked) == len(answers) == budget
        assert len({image.numpy().tobytes() for image in asked}) == budget
        with torch.no_grad():
            expected = victim(asked).softmax(1)
        expected = nn.functional.one_hot(expected.argmax(1), 4).float() if labels_only else expected
        torch.testing.assert_close(answers, expected)

    def test_the_seed_decides_and_the_global_state_does_not_move(self, by: str) -> None:
        copies, victim, attack = [blank(), blank()], unsettle(small_net()), Extraction("noise", 40, updates=4)
        state, before = state_of(victim), (torch.get_rng_state(), np.random.get_state()[1].copy())
        for thief in copies:
            rob(by, attack, victim_of(1), thief)
        assert torch.equal(torch.get_rng_state(), before[0])
        assert np.array_equal(np.random.get_state()[1], before[1])
        assert torch.equal(copies[0].weight, copies[1].weight)
        steal(attack, victim, small_net(1), dyadic_images(40), seed=5)
        assert_unchanged(victim, state)


def test_ours_and_arts_copies_are_equal_where_the_order_of_the_queries_plays_no_part() -> None:
    """With all queries in one batch the two differ in the order of a sum alone."""
    attack = Extraction("training images", 200, updates=60, batch_size=200, learning_rate=0.05)
    copies = {by: blank() for by in ("art", "own code")}
    for by, copy in copies.items():
        rob(by, attack, victim_of(1), copy)
    torch.testing.assert_close(copies["art"].weight, copies["own code"].weight, rtol=1e-3, atol=1e-4)
    assert copies["art"].weight.abs().max() > 0.5


def test_queries_and_steps_follow_from_the_budget() -> None:
    attack = Extraction("noise", 300, updates=200, batch_size=32)
    for queries in (1, 100, 1000, 6400):
        assert 200 <= attack.epochs(queries) * -(-queries // 32) < 200 + -(-queries // 32)
    small, large = (Extraction("phantom", budget).draw(POOL, seeded(3)) for budget in (50, 200))
    assert torch.equal(small, large[:50])
    noise = attack.draw(POOL, seeded())
    assert noise.shape == (300, 1, 4, 4)
    assert abs(float(noise.mean()) - 0.5) < 0.03
    with pytest.raises(ValueError, match="400"):
        Extraction("training images", 401).draw(POOL, seeded())


# Inversion

CLASSES, GREY = torch.arange(4), torch.full((4, 1, 8, 8), 0.5)
PLAIN = Inversion(20, step=0.5, loss="probability", scaled=False)
ROUNDING = 20 * 2.0**-24
"""Ours and ART's do the same operations in the same order; twenty steps may round otherwise by 2**-24 each."""


def linear() -> Linear:
    return Linear(torch.randn(4, 64, generator=seeded(1)) / 8, torch.zeros(4))


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
        model, images = unsettle(small_net()), dyadic_images(4)
        before, kept, attack = state_of(model), images.clone(), Inversion(5, step=0.02, smoothing=0.5)
        with torch.no_grad():
            together = attack(model, images, CLASSES)
        alone = torch.cat([attack(model, images[i : i + 1], CLASSES[i : i + 1]) for i in range(4)])
        torch.testing.assert_close(together, alone, atol=1e-5, rtol=0)
        invert(PLAIN, model, images, CLASSES)
        assert torch.equal(images, kept)
        assert 0 <= together.min() <= together.max() <= 1
        assert_unchanged(model, before)

    @pytest.mark.parametrize("attack", [PLAIN, partial(invert, PLAIN)], ids=["ours", "ART"])
    def test_the_model_is_left_as_it_was_after_an_error(self, attack: Callable[..., Tensor]) -> None:
        model = unsettle(Bomb(small_net(), 3))
        before = state_of(model)
        with pytest.raises(RuntimeError, match="boom"):
            attack(model, dyadic_images(4), CLASSES)
        assert_unchanged(model, before)

    @pytest.mark.parametrize("loss", ["probability", "logit"])
    @pytest.mark.parametrize("steps", [1, 5, 20])
    def test_ours_is_arts_step_by_step_from_the_same_start(self, loss: str, steps: int) -> None:
        attack = replace(PLAIN, loss=loss, steps=steps, step=0.5 if loss == "probability" else 0.02)
        model, images = small_net(), dyadic_images(4)
        arts = invert(attack, model, images, CLASSES)
        assert (attack(model, images, CLASSES) - arts).abs().max() <= ROUNDING
        more = replace(attack, steps=steps + 1)(model, images, CLASSES)
        assert (more - arts).abs().amax((1, 2, 3)).min() > 100 * ROUNDING

    def test_a_smoothing_wider_than_the_image_and_a_class_that_is_none_are_refused(self) -> None:
        for attack, labels, named in (
            (Inversion(1, step=0.1, smoothing=3.0), CLASSES, "smoothing"),
            (Inversion(1, step=0.1), CLASSES + 1, "labels"),
        ):
            with pytest.raises(ValueError, match=named):
                attack(small_net(), dyadic_images(4), labels)


# Membership

IMAGES, LABELS = dyadic_images(120), torch.arange(120) % 4


class TestMembership:
    def test_the_score_is_less_the_cross_entropy_as_scikit_learn_and_art_have_it(self) -> None:
        model = small_net()
        scores = LossThreshold(batch_size=7)(model, IMAGES, LABELS)
        with torch.no_grad():
            rows = model(IMAGES).double().softmax(1).numpy()
        expected = [
            -log_loss([label], [row], labels=range(4)) for label, row in zip(LABELS.tolist(), rows, strict=True)
        ]
        np.testing.assert_allclose(scores.numpy(), expected, rtol=1e-6)
        np.testing.assert_allclose(-scores.numpy(), art_losses(model, (IMAGES, LABELS)), rtol=1e-5, atol=1e-6)
        unsettled = unsettle(small_net())
        before = state_of(unsettled)
        assert torch.equal(LossThreshold(batch_size=7)(unsettled, IMAGES, LABELS), scores)
        assert_unchanged(unsettled, before)

    def test_losses_near_zero_stay_apart(self) -> None:
        """Logits 20 and 21 above the others: in float32 both losses are 0."""
        sure = nn.Module()
        sure.forward = lambda images: torch.tensor([[20.0, 0, 0, 0], [21.0, 0, 0, 0]])  # type: ignore[method-assign]
        found = LossThreshold()(sure, IMAGES[:2], torch.zeros(2, dtype=torch.int64)).tolist()
        assert found == pytest.approx([-3 * np.exp(-20), -3 * np.exp(-21)], rel=1e-6)


@pytest.mark.parametrize(
    ("make", "wrong", "error"),
    [
        (partial(Extraction, budget=10), {"queries": "letters"}, ValueError), (LossThreshold, {"batch_size": 0}, ValueError),
        (partial(Extraction, "noise"), {"budget": 0}, ValueError), (Extraction, {"updates": 1.5}, TypeError),
        (Extraction, {"learning_rate": 0.0}, ValueError), (partial(Inversion, 5), {"step": 1.5}, ValueError),
        (Inversion, {"loss": "margin"}, ValueError), (Inversion, {"smoothing": -1.0}, ValueError),
    ],
)  # fmt: skip
def test_wrong_parameters_are_refused_by_name(make: Any, wrong: dict[str, Any], error: type[Exception]) -> None:
    make = {Extraction: partial(Extraction, "noise", 10), Inversion: partial(Inversion, 5, step=0.1)}.get(make, make)
    with pytest.raises(error, match=next(iter(wrong))):
        make(**wrong)
