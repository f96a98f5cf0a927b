"""Norm balls: the direction of steepest ascent, projection, and a random point inside."""

import math

import torch
from torch import Tensor

from mri_robust.core.validation import check_choice, check_number
from mri_robust.study.epsilon import LARGEST, Norm


def ascent_direction(gradient: Tensor, norm: Norm) -> Tensor:
    """The vector of unit `norm` along which a linear function with this gradient, [N, ...], rises most.

    L-inf: the sign. L2: gradient / ||gradient||_2 for each image; zero where the gradient is zero.
    """
    return gradient.sign() if norm == "linf" else gradient / _lengths(gradient)


def project(delta: Tensor, eps: float | Tensor, norm: Norm) -> Tensor:
    """The point of the ball {||d|| <= eps} nearest to each perturbation, [N, ...].

    `eps` is the radius, or one per image, of a shape that broadcasts over `delta`; both give the same bits.
    """
    if norm == "linf":
        return delta.clamp(-eps, eps)  # type: ignore[arg-type]
    # What torch does with number / tensor; tensor / tensor rounds otherwise.
    return delta * (_lengths(delta).reciprocal() * eps).clamp(max=1.0)


def random_perturbation(
    shape: torch.Size | tuple[int, ...], eps: float, norm: Norm, generator: torch.Generator
) -> Tensor:
    """A perturbation drawn uniformly from the ball of radius eps, for each of N images; float32 on the CPU.

    L2: a normal vector scaled to length eps * u**(1/d), u uniform in [0, 1], d the number of pixels.
    """
    if norm == "linf":
        return torch.empty(shape, dtype=torch.float32).uniform_(-eps, eps, generator=generator)
    direction = ascent_direction(torch.randn(shape, generator=generator, dtype=torch.float32), "l2")
    radius = torch.rand(shape[0], generator=generator, dtype=torch.float32) ** (1.0 / direction[0].numel())
    return direction * (eps * radius).reshape(-1, *[1] * (len(shape) - 1))


def distance(change: Tensor, norm: str) -> Tensor:
    """[N]: the length of each change [N, ...] in the norm `linf`, `l2` or `l1`."""
    order = {"linf": torch.inf, "l2": 2, "l1": 1}[norm]
    return torch.linalg.vector_norm(change.flatten(1), order, dim=1)


def per_image(values: Tensor) -> Tensor:
    """One value per image, [N], shaped to broadcast over images [N, C, H, W]."""
    return values.view(-1, 1, 1, 1)


def check_ball(eps: float, norm: str, name: str = "eps") -> None:
    """Check a norm and its radius: [0, 1] for L-inf, as pixels span [0, 1], [0, 100] for L2; see `LARGEST`."""
    check_choice("norm", norm, tuple(LARGEST))
    most, advice = LARGEST[norm]
    check_number(name, eps, 0.0, most, advice=f"; {advice}")


def check_bounds(bounds: tuple[float, float]) -> None:
    """Check pixel bounds: a tuple of two finite numbers, the first under the second."""
    if not isinstance(bounds, tuple) or len(bounds) != 2:
        raise TypeError(f"bounds must be a pair (low, high), got {bounds!r}")
    check_number("bounds[0]", bounds[0], -math.inf)
    check_number("bounds[1]", bounds[1], bounds[0], open_low=True)


def _lengths(values: Tensor) -> Tensor:
    """L2 length of each of N items, 1 in place of 0, shaped to broadcast over them."""
    length = distance(values, "l2")
    return length.masked_fill(length == 0, 1.0).reshape(-1, *[1] * (values.ndim - 1))
