"""Bias field: the receive coil hears one side of the head better than the other."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from mri_robust.core.validation import check_count, check_number
from mri_robust.data.artefacts import strength


def monomials(order: int) -> list[tuple[int, int]]:
    """Exponents (row, column) of every monomial of at most this order, in the order of the coefficients."""
    return [(row, column) for row in range(order + 1) for column in range(order + 1 - row)]


def add_bias_field(images: Tensor, coefficients: Tensor, order: int) -> Tensor:
    """images * exp(sum of c_ab * y^a * x^b over a + b <= order), y and x from -1 to 1 over the rows and columns.

    Args:
        images: float32 [N, C, H, W].
        coefficients: float32 [N, K], a column a monomial of `monomials(order)`.
        order: greatest sum of the exponents.
    """
    y, x = (torch.linspace(-1, 1, side, device=images.device) for side in images.shape[-2:])
    terms = torch.stack([y[:, None] ** row * x[None, :] ** column for row, column in monomials(order)])
    return images * torch.einsum("nk,khw->nhw", coefficients, terms).exp()[:, None]


@dataclass(frozen=True)
class BiasField:
    """A smooth factor over the image: the exponential of a random polynomial.

    Source: Van Leemput et al., IEEE Transactions on Medical Imaging 18 (1999), 885-896; as in TorchIO's `BiasField`.

    Attributes:
        coefficients: each coefficient is drawn from [-coefficients, coefficients]; at least 0.
        order: of the polynomial, at least 0.

    Raises:
        TypeError, ValueError: a parameter is out of range.
    """

    coefficients: float
    order: int = 3

    def __post_init__(self) -> None:
        check_number("coefficients", self.coefficients, 0)
        check_count("order", self.order, 0)

    @classmethod
    def severity(cls, level: int) -> BiasField:
        """Coefficients up to 1 at level 5."""
        return cls(coefficients=strength(level))

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Images with a bias field each."""
        drawn = torch.rand(len(images), len(monomials(self.order)), generator=generator)
        coefficients = (2 * drawn - 1) * self.coefficients
        return add_bias_field(images, coefficients.to(images.device), self.order).clamp(0, 1)


ARTEFACT = BiasField
