"""Predictions under an attack that asks each epsilon by itself: FGSM, or any registered one made of a radius alone."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from mri_robust.attacks.evasion.norms import ascent_direction
from mri_robust.attacks.evasion.attack import loss_gradient, predict
from mri_robust.attacks.registry import EVASION
from mri_robust.core.validation import check_images
from mri_robust.core.errors import UserError
from mri_robust.core.rng import make_generator

ROUNDING = 1e-6
"""How far in pixels float32 sums may take an image out of its ball."""


def fgsm_predictions(model: nn.Module, images: Tensor, labels: Tensor, radii: tuple[float, ...]) -> Tensor:
    """Predicted classes, int64 [1 + radii, N], the first row clean: one gradient an image, then one pass an epsilon.

    Args:
        model: in eval mode, gives logits.
        images: float32 in [0, 1], [N, C, H, W], on the model's device.
        labels: int64 [N].
        radii: L-inf, in pixels.
    """
    gradient, logits = loss_gradient(model, images, labels)
    direction = ascent_direction(gradient, "linf")
    attacked = ((images + eps * direction).clamp(0, 1) for eps in radii)
    return torch.stack([logits.argmax(1), *(predict(model, some) for some in attacked)])


def registered_predictions(
    name: str, model: nn.Module, images: Tensor, labels: Tensor, radii: tuple[float, ...], chance: tuple[int, int]
) -> Tensor:
    """Predicted classes, int64 [1 + radii, N], the first row clean, under the attack registered as `name`.

    The attack is called with the radius, otherwise it has its own defaults.

    Args:
        name: of the registry `EVASION`.
        model, images, labels, radii: see `fgsm_predictions`.
        chance: a seed and the place of the first image in the whole set, which decide the attack's own draws.

    Raises:
        UserError: the attack needs more than a radius, or does not keep to it or to [0, 1].
    """
    predicted = [predict(model, images)]
    for eps in radii:
        seed, place = chance
        generator = make_generator(seed, "curve", name, repr(eps), place)
        predicted.append(predict(model, _crafted(_attack(name, eps), model, images, labels, eps, generator)))
    return torch.stack(predicted)


def _attack(name: str, eps: float) -> Any:
    try:
        return EVASION.load(name)(eps)
    except (TypeError, ValueError) as error:
        raise UserError(f"attack '{name}' cannot be made of an epsilon alone, as a curve needs it: {error}") from error


def _crafted(
    attack: Any, model: nn.Module, images: Tensor, labels: Tensor, eps: float, generator: torch.Generator
) -> Tensor:
    """Adversarial images of what may be a stranger's attack, checked: the curve says that they are in the ball."""
    crafted = attack(model, images, labels, generator=generator)
    try:
        check_images(crafted)
        if crafted.shape != images.shape:
            raise ValueError(f"shape {list(crafted.shape)} for images {list(images.shape)}")
        change = float((crafted - images).abs().max())
    except (TypeError, ValueError, RuntimeError) as error:
        raise UserError(f"{attack} gives no adversarial images: {error}") from error
    if change > eps + ROUNDING:
        raise UserError(f"{attack} changed a pixel by {change:.4g}: a curve is over the L-inf radius, here {eps:.4g}")
    return crafted
