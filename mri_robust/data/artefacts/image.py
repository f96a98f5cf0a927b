"""Artefacts of the image itself: bias field, lost resolution, Rician noise."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, interpolate

from mri_robust.core.validation import check_count, check_number


class Artefact(ABC):
    """An artefact with its parameters, a frozen dataclass; one out of range raises TypeError or ValueError.

    Called with images, float32 [N, C, H, W] in [0, 1], and a CPU generator, it draws what is random, image after image,
    so that no image depends on how others are batched; applies that to all channels alike; and clamps to [0, 1].
    """

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """The images with the artefact."""
        return self.apply(images, self.draw(images, generator).to(images.device)).clamp(0, 1)

    def draw(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """What is random, one row per image, on the CPU; here nothing is."""
        return torch.empty(len(images), 0)

    @abstractmethod
    def apply(self, images: Tensor, drawn: Tensor) -> Tensor:
        """The images with what was drawn for each, not clamped."""


@dataclass(frozen=True)
class BiasField(Artefact):
    """The receive coil hears one side of the head better: a smooth factor, the exponential of a random polynomial.

    Source: Van Leemput et al., IEEE Transactions on Medical Imaging 18 (1999), 885-896; as in TorchIO's `BiasField`.
    """

    coefficients: float  # each coefficient is drawn from [-coefficients, coefficients]; at least 0
    order: int = 3  # of the polynomial, at least 0

    def __post_init__(self) -> None:
        check_number("coefficients", self.coefficients, 0)
        check_count("order", self.order, 0)

    @property
    def exponents(self) -> list[tuple[int, int]]:
        """(row, column) of every monomial of at most this order, in the order of the coefficients."""
        return [(row, column) for row in range(self.order + 1) for column in range(self.order + 1 - row)]

    def draw(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Coefficients [N, K], one column for each of `exponents`."""
        return (2 * torch.rand(len(images), len(self.exponents), generator=generator) - 1) * self.coefficients

    def apply(self, images: Tensor, drawn: Tensor) -> Tensor:
        """images * exp(sum of c_ab * y^a * x^b over a + b <= order), y and x from -1 to 1 over the rows and columns."""
        y, x = (torch.linspace(-1, 1, side, device=images.device) for side in images.shape[-2:])
        terms = torch.stack([y[:, None] ** row * x[None, :] ** column for row, column in self.exponents])
        return images * torch.einsum("nk,khw->nhw", drawn, terms).exp()[:, None]


@dataclass(frozen=True)
class Resolution(Artefact):
    """A faster scan: pixels that each hold the mean of a larger square (partial volume), enlarged to the usual size.

    Source: ROOD-MRI, arXiv 2203.06060; MONAI's `RandSimulateLowResolution` with mode `area`.
    """

    zoom: float  # pixels along a side that are left, as a share; in (0, 1]

    def __post_init__(self) -> None:
        check_number("zoom", self.zoom, 0, 1, open_low=True)

    def apply(self, images: Tensor, drawn: Tensor) -> Tensor:
        """Average over larger pixels, and interpolate linearly back."""
        height, width = images.shape[-2:]
        coarse = adaptive_avg_pool2d(images, (max(1, round(height * self.zoom)), max(1, round(width * self.zoom))))
        return interpolate(coarse, (height, width), mode="bilinear", align_corners=False)


@dataclass(frozen=True)
class RicianNoise(Artefact):
    """Grain that brightens what is black: the magnitude of a signal with noise in both of its receive channels.

    Source: Gudbjartsson and Patz, Magnetic Resonance in Medicine 34 (1995), 910-914; as in MONAI's `RandRicianNoise`.
    """

    std: float  # of the noise of either receive channel, in pixels of [0, 1]; at least 0

    def __post_init__(self) -> None:
        check_number("std", self.std, 0)

    def draw(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Noise [N, 2, 1, H, W]: its real and its imaginary part, the same in all channels of an image."""
        noise = [torch.randn(2, 1, *images.shape[-2:], generator=generator) for _ in images]
        return torch.stack(noise) * self.std

    def apply(self, images: Tensor, drawn: Tensor) -> Tensor:
        """sqrt((images + real)^2 + imaginary^2)."""
        return torch.hypot(images + drawn[:, 0], drawn[:, 1])
