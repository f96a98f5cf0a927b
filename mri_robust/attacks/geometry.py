"""Norm balls: the direction of steepest ascent, projection, and a random point inside."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

Norm = Literal["linf", "l2"]
NORMS: tuple[str, ...] = ("linf", "l2")


def ascent_direction(gradient: Tensor, norm: Norm) -> Tensor:
    """The vector of unit `norm` along which a linear function with this gradient rises most.

    L-inf: the sign. L2: gradient / ||gradient||_2, an image at a time; zero where the gradient is zero.
    `gradient` is [N, ...]; so is the result.
    """
    if norm == "linf":
        return gradient.sign()
    length = _lengths(gradient)
    return gradient / torch.where(length == 0, torch.ones_like(length), length)


def project(delta: Tensor, eps: float, norm: Norm) -> Tensor:
    """The point of the ball {||d|| <= eps} nearest to each perturbation; `delta` is [N, ...]."""
    if norm == "linf":
        return delta.clamp(-eps, eps)
    length = _lengths(delta)
    return delta * (eps / torch.where(length == 0, torch.ones_like(length), length)).clamp(max=1.0)


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


def _lengths(values: Tensor) -> Tensor:
    """L2 length of each of N items, shaped to broadcast over them."""
    return torch.linalg.vector_norm(values.flatten(1), dim=1).reshape(-1, *[1] * (values.ndim - 1))
