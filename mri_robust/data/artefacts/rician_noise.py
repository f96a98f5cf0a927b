"""Rician noise: the magnitude of a signal with noise in both of its channels."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from mri_robust.core.validation import check_number
from mri_robust.data.artefacts import strength


def add_rician_noise(images: Tensor, real: Tensor, imaginary: Tensor) -> Tensor:
    """sqrt((images + real)^2 + imaginary^2), for images and noise of shapes that broadcast."""
    return torch.hypot(images + real, imaginary)


@dataclass(frozen=True)
class RicianNoise:
    """Grain that brightens what is black, as in every magnitude image.

    Source: Gudbjartsson and Patz, Magnetic Resonance in Medicine 34 (1995), 910-914; as in MONAI's `RandRicianNoise`.

    Attributes:
        std: standard deviation of the noise of either channel, in pixels of [0, 1]; at least 0.

    Raises:
        TypeError, ValueError: a parameter is out of range.
    """

    std: float

    def __post_init__(self) -> None:
        check_number("std", self.std, 0)

    @classmethod
    def severity(cls, level: int) -> RicianNoise:
        """A standard deviation of .15 at level 5."""
        return cls(std=0.15 * strength(level))

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Images with noise of their own, the same in all channels."""
        noise = torch.stack([torch.randn(2, 1, *images.shape[-2:], generator=generator) for _ in images])
        real, imaginary = (noise * self.std).to(images.device).unbind(1)
        return add_rician_noise(images, real, imaginary).clamp(0, 1)


ARTEFACT = RicianNoise
