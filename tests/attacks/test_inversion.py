"""Model inversion on models whose gradient is known, and step by step beside ART's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from art.attacks.inference.model_inversion import MIFace
from scipy.ndimage import gaussian_filter
from torch import Tensor
from toy_models import Bomb, Linear, assert_unchanged, dyadic_images, small_net, state_of, unsettle

from mri_robust.adapters.art import as_art_classifier
from mri_robust.adapters.art_inversion import invert
from mri_robust.attacks.privacy.inversion import Inversion
from mri_robust.attacks.registry import PRIVACY

SIDE, CLASSES = 8, torch.arange(4)
GREY = torch.full((4, 1, SIDE, SIDE), 0.5)
PLAIN = Inversion(20, step=0.5, loss="probability", scaled=False)
ROUNDING = 20 * 2.0**-24
"""Ours and ART's take the same operations in the same order, so that only a library's choice of kernels could round
twenty steps otherwise, by 2**-24 each."""


def linear(classes: int = 4, bias: float = 0.0) -> Linear:
    """Small weights: in float32 the loss of a class never comes to 0, where its gradient would end."""
    generator = torch.Generator().manual_seed(1)
    return Linear(torch.randn(classes, SIDE * SIDE, generator=generator) / 8, torch.full((classes,), bias))


def known_gradient(model: Linear, images: Tensor, labels: Tensor) -> Tensor:
    """Of the cross entropy of a linear softmax model: W^T (p - e_y)."""
    wrong = model(images).softmax(1) - torch.eye(len(model.weight))[labels]
    return (wrong @ model.weight).reshape(images.shape).detach()


def losses(model: Linear, images: Tensor, labels: Tensor) -> Tensor:
    return torch.nn.functional.cross_entropy(model(images), labels, reduction="none").detach()


@pytest.mark.parametrize("loss", ["cross-entropy", "probability"])
def test_of_two_linear_classes_it_reaches_the_best_corner_of_the_box(loss: str) -> None:
    model = linear(classes=2)
    made = Inversion(400, step=0.05, loss=loss)(model, GREY[:2], CLASSES[:2])
    margin = (model.weight[0] - model.weight[1]).detach()
    corners = torch.stack([margin > 0, margin < 0]).float().reshape(GREY[:2].shape)
    plain = margin.abs().reshape(SIDE, SIDE) > 0.03  # pixels that matter little are still on their way
    assert plain.sum() > 40
    assert torch.equal(made[..., plain], corners[..., plain])
    assert ((made - 0.5) * (corners - 0.5) >= 0).all()


def test_the_logit_alone_is_greatest_where_its_own_weights_are_positive() -> None:
    model = linear()
    made = Inversion(400, step=8.0, loss="logit", scaled=False)(model, GREY, CLASSES)
    assert torch.equal(made, (model.weight > 0).float().reshape(GREY.shape))


def test_one_plain_step_is_the_known_gradient() -> None:
    model = linear()
    made = Inversion(1, step=0.01, scaled=False)(model, GREY, CLASSES)
    torch.testing.assert_close(made, GREY - 0.01 * known_gradient(model, GREY, CLASSES))


@pytest.mark.parametrize("smoothing", [0.0, 0.8])
def test_a_scaled_step_changes_pixels_by_its_size_along_the_smoothed_gradient(smoothing: float) -> None:
    model = linear()
    moved = (GREY - Inversion(1, step=0.01, smoothing=smoothing)(model, GREY, CLASSES)).numpy()
    np.testing.assert_allclose(np.sqrt((moved**2).mean((1, 2, 3))), 0.01, rtol=1e-4)
    for change, gradient in zip(moved[:, 0], known_gradient(model, GREY, CLASSES)[:, 0].numpy(), strict=True):
        # scipy's `mirror` is what torchvision calls reflection
        smoothed = gaussian_filter(gradient, smoothing, mode="mirror", radius=3) if smoothing else gradient
        expected = 0.01 * smoothed / np.sqrt((smoothed**2).mean())
        np.testing.assert_allclose(change, expected, atol=1e-6)


def test_small_steps_down_a_convex_loss_never_climb() -> None:
    model = linear()
    step = 1 / float(torch.linalg.matrix_norm(model.weight.detach(), 2)) ** 2  # under 2 / L of the softmax's curvature
    paths = [Inversion(count, step=step, scaled=False)(model, GREY, CLASSES) for count in (1, 2, 4, 8, 16, 32)]
    values = torch.stack([losses(model, images, CLASSES) for images in [GREY, *paths]])
    assert (values.diff(dim=0) < 0).all()


def test_an_image_does_not_depend_on_those_made_beside_it() -> None:
    attack, model, images = Inversion(5, step=0.02), small_net(), dyadic_images(4)
    together = attack(model, images, CLASSES)
    alone = torch.cat([attack(model, images[i : i + 1], CLASSES[i : i + 1]) for i in range(4)])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=0)


def test_it_is_a_pure_function_that_borrows_the_model() -> None:
    model, images = unsettle(small_net()), dyadic_images(4)
    before, kept = state_of(model), images.clone()
    attack = Inversion(5, step=0.02, smoothing=0.5)
    first = attack(model, images, CLASSES)
    with torch.no_grad():
        again = attack(model, images, CLASSES)
    assert torch.equal(first, again)
    assert torch.equal(images, kept)
    assert not first.requires_grad
    assert first.min() >= 0
    assert first.max() <= 1
    invert(PLAIN, model, images, CLASSES)
    assert torch.equal(images, kept)
    assert_unchanged(model, before)


@pytest.mark.parametrize("attack", [PLAIN, partial(invert, PLAIN)], ids=["ours", "ART"])
def test_the_model_comes_back_after_an_error_in_the_middle(attack: Callable[..., Tensor]) -> None:
    model = unsettle(Bomb(small_net(), 3))
    before = state_of(model)
    with pytest.raises(RuntimeError, match="boom"):
        attack(model, dyadic_images(4), CLASSES)
    assert_unchanged(model, before)


class WrongSign(Inversion):
    def _losses(self, logits: Tensor, labels: Tensor) -> Tensor:
        return -super()._losses(logits, labels)


@pytest.mark.parametrize("loss", ["probability", "logit"])
@pytest.mark.parametrize("steps", [1, 5, 20])
def test_ours_is_arts_step_by_step_from_the_same_start(loss: str, steps: int) -> None:
    attack = replace(PLAIN, loss=loss, steps=steps, step=0.5 if loss == "probability" else 0.02)
    model, images = small_net(), dyadic_images(4)
    arts = invert(attack, model, images, CLASSES)
    assert (attack(model, images, CLASSES) - arts).abs().max() <= ROUNDING
    wrong = WrongSign(**vars(attack))(model, images, CLASSES)
    assert (wrong - arts).abs().amax((1, 2, 3)).min() > 100 * ROUNDING
    if steps > 1:
        fewer = replace(attack, steps=steps - 1)(model, images, CLASSES)
        assert (fewer - arts).abs().amax((1, 2, 3)).min() > 100 * ROUNDING


def test_a_class_freezes_at_arts_default_threshold_on_logits_and_not_through_the_adapter() -> None:
    model = linear(bias=-1000.0)  # every logit is far under .01, the cost far over .99
    attack = Inversion(20, step=0.001, loss="logit", scaled=False)
    classifier = as_art_classifier(model, nb_classes=4, input_shape=(1, SIDE, SIDE))
    default = MIFace(classifier, max_iter=20, learning_rate=0.001, batch_size=4, verbose=False)
    frozen = torch.from_numpy(default.infer(GREY.numpy(), y=CLASSES.numpy()))
    assert torch.equal(frozen, replace(attack, steps=1)(model, GREY, CLASSES))
    assert (invert(attack, model, GREY, CLASSES) - frozen).abs().amax((1, 2, 3)).min() > 0.002


@pytest.mark.parametrize("given", [{"loss": "cross-entropy"}, {"smoothing": 1.0}, {"scaled": True}])
def test_the_adapter_refuses_what_art_cannot_do(given: dict) -> None:
    with pytest.raises(ValueError, match="MIFace climbs the plain gradient"):
        invert(replace(PLAIN, **given), small_net(), dyadic_images(4), CLASSES)


@pytest.mark.parametrize(
    "given",
    [{"steps": 0}, {"step": 0.0}, {"step": 1.5}, {"loss": "margin"}, {"smoothing": -1.0}, {"step": float("nan")}],
)
def test_a_parameter_out_of_range_is_refused(given: dict) -> None:
    with pytest.raises(ValueError, match=next(iter(given))):
        Inversion(**{"steps": 5, "step": 0.1} | given)


def test_a_smoothing_wider_than_the_image_and_a_class_that_is_none_are_refused() -> None:
    with pytest.raises(ValueError, match="smoothing must be under"):
        Inversion(1, step=0.1, smoothing=3.0)(small_net(), dyadic_images(4), CLASSES)
    with pytest.raises(ValueError, match="labels must lie in"):
        Inversion(1, step=0.1)(small_net(), dyadic_images(4), CLASSES + 1)


def test_it_is_found_by_its_name() -> None:
    assert PRIVACY.load("inversion") is Inversion
