"""Checks of parameters, images and labels, made once at the public functions; and images as models take them."""

import math
from numbers import Integral, Real

import numpy as np
import torch
from torch import Tensor, nn

from mri_robust.core.errors import UserError
from mri_robust.core.eval_mode import device_of, eval_mode

ROUNDING = 1e-6
"""How far a pixel may lie outside [0, 1]: what a resize or a division in float32 leaves."""


def check_number(
    name: str, value: float, low: float, high: float = math.inf, *, open_low: bool = False, advice: str = ""
) -> None:
    """Check that a parameter is a finite number in [low, high], or (low, high] with `open_low`.

    Raises TypeError where it is not a number, ValueError where it is not finite or out of range, which ends with the
    `advice`.
    """
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} must be a number, got {value!r}")
    below = value <= low if open_low else value < low
    if not math.isfinite(value) or below or value > high:
        bracket = "(" if open_low else "["
        raise ValueError(f"{name} must be in {bracket}{low:g}, {high:g}], got {value!r}{advice}")


def check_count(name: str, value: int, low: int = 1) -> None:
    """Check that a parameter is a whole number of at least `low`: else TypeError, or ValueError if it is less."""
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise TypeError(f"{name} must be a whole number, got {value!r}")
    if value < low:
        raise ValueError(f"{name} must be at least {low}, got {value}")


def check_choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    """Check that a parameter is one of `choices`, else raise ValueError."""
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}, got {value!r}")


def check_images(images: Tensor) -> None:
    """Check images: a float32 tensor [N, C, H, W], N at least 1, finite pixels in [0, 1] up to `ROUNDING`.

    Raises TypeError where they are no float32 tensor, ValueError for another shape, no images or other pixels.
    """
    _check_type("images", images, torch.float32)
    if images.ndim != 4:
        raise ValueError(f"images must have shape [N, C, H, W], got {list(images.shape)}")
    if not images.numel():
        raise ValueError(f"images are empty: shape {list(images.shape)}")
    if images.shape[3] in (1, 3) and min(images.shape[1:3]) > 4:
        raise ValueError(f"images look like [N, H, W, C], got {list(images.shape)}: give images.permute(0, 3, 1, 2)")
    low, high = (float(bound) for bound in torch.aminmax(images.detach()))
    if not math.isfinite(low + high):
        raise ValueError(f"images have pixels that are not finite: {high if math.isfinite(low) else low}")
    if not (low >= -ROUNDING and high <= 1.0 + ROUNDING):
        advice = ": divide by 255" if low >= 0 and 2 < high <= 255 else ""
        raise ValueError(f"images must lie in [0, 1], got values from {low:g} to {high:g}{advice}")


def check_labels(labels: Tensor, images: Tensor, classes: int) -> None:
    """Check labels: an int64 tensor [N] for N images, each in 0..classes-1.

    Raises TypeError where they are no int64 tensor, ValueError for another shape or a label out of range.
    """
    _check_type("labels", labels, torch.int64)
    if labels.shape != images.shape[:1]:
        raise ValueError(f"labels must have shape [{len(images)}], one per image, got {list(labels.shape)}")
    low, high = (int(bound) for bound in torch.aminmax(labels))
    if low < 0 or high >= classes:
        raise ValueError(f"labels must lie in 0..{classes - 1}, got {low if low < 0 else high}")


def check_device(model: nn.Module, images: Tensor, labels: Tensor) -> None:
    """Check that images and labels are where the model's first tensor is, or together, else raise ValueError."""
    homes = [each.device for each in (*model.parameters(), *model.buffers(), images) if isinstance(each, Tensor)]
    for name, values in (("images", images), ("labels", labels)):
        if isinstance(values, Tensor) and homes and values.device != homes[0]:
            raise ValueError(f"{name} are on {values.device}, the model is on {homes[0]}")


def check_finite(logits: Tensor) -> None:
    """Check logits: UserError where one is NaN or infinite; minus infinity may stand for a class that is left out."""
    if not (logits < math.inf).all():
        raise UserError("the model gives logits that are not finite: train or load it again")


def _check_type(name: str, tensor: Tensor, dtype: torch.dtype) -> None:
    if not isinstance(tensor, Tensor) or tensor.dtype != dtype:
        given = tensor.dtype if isinstance(tensor, Tensor) else type(tensor).__name__
        raise TypeError(f"{name} must be a torch.Tensor of {dtype}, got {given}")


def class_count(model: nn.Module, images: Tensor) -> int:
    """Number of classes of `model`: the width of the logits, which are asked for the first image, float32 [N, C, H, W].

    TypeError where the model is no float32 `torch.nn.Module`, ValueError where it gives no logits [N, K] of at least
    two classes, UserError where they are not finite.
    """
    with eval_mode(model), torch.no_grad():
        try:
            logits = model(images[:1].to(device_of(model)))
        except RuntimeError as error:
            others = {parameter.dtype for parameter in model.parameters()} - {torch.float32}
            if others:
                raise TypeError(f"the model must be float32, has {others.pop()}: call model.float()") from error
            raise
    if not isinstance(logits, Tensor) or logits.ndim != 2 or logits.shape[1] < 2:
        given = list(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        raise ValueError(
            f"the model gives {given} for one image: it must give logits [N, classes], two classes or more"
        )
    check_finite(logits)
    return logits.shape[1]


def to_unit_range(images: np.ndarray | Tensor) -> Tensor:
    """Images, uint8 or floats in [0, 1], as float32 in [0, 1]: an array is copied, a float32 tensor is not."""
    pixels = images if isinstance(images, Tensor) else torch.from_numpy(np.array(images))
    return pixels.float() / 255 if pixels.dtype == torch.uint8 else pixels.float()
