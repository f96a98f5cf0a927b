"""Norm balls: the direction of steepest ascent, projection, and a random point inside."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

from mri_robust.core.validation import check_choice, check_number

Norm = Literal["linf", "l2"]
NORMS: tuple[str, ...] = ("linf", "l2")


def ascent_direction(gradient: Tensor, norm: Norm) -> Tensor:
    """The vector of unit `norm` along which a linear function with this gradient rises most.

    L-inf: the sign. L2: gradient / ||gradient||_2 for each image; zero where the gradient is zero.
    `gradient` is [N, ...]; so is the result.
    """
    if norm == "linf":
        return gradient.sign()
    length = _lengths(gradient)
    return gradient / torch.where(length == 0, torch.ones_like(length), length)


def project(delta: Tensor, eps: float | Tensor, norm: Norm) -> Tensor:
    """The point of the ball {||d|| <= eps} nearest to each perturbation.

    Args:
        delta: [N, ...].
        eps: the radius, or one per image, of a shape that broadcasts over `delta`; both give the same bits.
        norm: of the ball.
    """
    if norm == "linf":
        return delta.clamp(-eps, eps)  # type: ignore[arg-type]
    length = _lengths(delta)
    # What torch does with number / tensor; tensor / tensor rounds otherwise.
    return delta * (torch.where(length == 0, torch.ones_like(length), length).reciprocal() * eps).clamp(max=1.0)


def random_perturbation(
    shape: torch.Size | tuple[int, ...], eps: float, norm: Norm, generator: torch.Generator
) -> Tensor:
    """A perturbation drawn uniformly from the ball of radius eps, for each of N images; float32 on the CPU.

    L2: a normal vector scaled to length eps * u**(1/d), u uniform in [0, 1], d the number of pixels.
    """
    if norm == "linf":
        return torch.empty(shape).uniform_(-eps, eps, generator=generator)
    direction = ascent_direction(torch.randn(shape, generator=generator), "l2")
    radius = torch.rand(shape[0], generator=generator) ** (1.0 / direction[0].numel())
    return direction * (eps * radius).reshape(-1, *[1] * (len(shape) - 1))


def check_ball(eps: float, norm: str) -> None:
    """Check a norm and its radius: eps in [0, 1] for L-inf, where pixels span [0, 1]; any finite eps >= 0 for L2.

    Raises:
        TypeError, ValueError: see `check_number`.
    """
    check_choice("norm", norm, NORMS)
    check_number("eps", eps, 0.0, 1.0 if norm == "linf" else math.inf)


def check_bounds(bounds: tuple[float, float]) -> None:
    """Check pixel bounds: two finite numbers, the first under the second.

    Raises:
        TypeError, ValueError: they are not.
    """
    if not isinstance(bounds, tuple) or len(bounds) != 2:
        raise TypeError(f"bounds must be a pair (low, high), got {bounds!r}")
    check_number("bounds[0]", bounds[0], -math.inf)
    check_number("bounds[1]", bounds[1], bounds[0], open_low=True)


def _lengths(values: Tensor) -> Tensor:
    """L2 length of each of N items, shaped to broadcast over them."""
    return torch.linalg.vector_norm(values.flatten(1), dim=1).reshape(-1, *[1] * (values.ndim - 1))
