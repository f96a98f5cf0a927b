"""Checks of parameters, images and labels, made once at the public functions."""

import math
from numbers import Integral, Real

import torch
from torch import Tensor, nn

from mri_robust.core.eval_mode import device_of, eval_mode


def check_number(name: str, value: float, low: float, high: float = math.inf, *, open_low: bool = False) -> None:
    """Check that a parameter is a finite number in [low, high], or (low, high] with `open_low`.

    Raises TypeError where it is not a number, ValueError where it is not finite or out of range.
    """
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} must be a number, got {value!r}")
    below = value <= low if open_low else value < low
    if not math.isfinite(value) or below or value > high:
        bracket = "(" if open_low else "["
        raise ValueError(f"{name} must be in {bracket}{low:g}, {high:g}], got {value!r}")


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
    """Check images: a float32 tensor [N, C, H, W], N at least 1, finite pixels in [0, 1].

    Raises TypeError where they are no float32 tensor, ValueError for another shape, no images or other pixels.
    """
    _check_type("images", images, torch.float32)
    if images.ndim != 4:
        raise ValueError(f"images must have shape [N, C, H, W], got {list(images.shape)}")
    if not images.numel():
        raise ValueError(f"images are empty: shape {list(images.shape)}")
    low, high = (float(bound) for bound in torch.aminmax(images.detach()))
    if not (low >= 0.0 and high <= 1.0):
        raise ValueError(f"images must lie in [0, 1], got values from {low:g} to {high:g}")


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


def _check_type(name: str, tensor: Tensor, dtype: torch.dtype) -> None:
    if not isinstance(tensor, Tensor) or tensor.dtype != dtype:
        given = tensor.dtype if isinstance(tensor, Tensor) else type(tensor).__name__
        raise TypeError(f"{name} must be a torch.Tensor of {dtype}, got {given}")


def class_count(model: nn.Module, images: Tensor) -> int:
    """Number of classes of `model`: the length of `model.classes` if there, else the width of one image's logits."""
    classes = getattr(model, "classes", None)
    if isinstance(classes, (list, tuple)):
        return len(classes)
    with eval_mode(model), torch.no_grad():
        return int(model(images[:1].to(device_of(model))).shape[1])
