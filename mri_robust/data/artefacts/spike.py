"""Spike: a spark in the scanner room adds one wrong point to k-space, and stripes to the image."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from mri_robust.core.validation import check_number
from mri_robust.data.artefacts import strength
from mri_robust.data.kspace import from_kspace, to_kspace


def add_spike(images: Tensor, positions: Tensor, intensity: float) -> Tensor:
    """Add `intensity` times the greatest magnitude of k-space to one point of it.

    Args:
        images: float32 [N, C, H, W].
        positions: float32 [N, 2] in [0, 1), the place of the spike in shares of the rows and columns of k-space.
        intensity: see `Spike`.
    """
    kspace = to_kspace(images)
    sides = torch.tensor(images.shape[-2:], device=images.device)
    row, column = (positions * sides).floor().long().unbind(1)
    kspace[torch.arange(len(images)), :, row, column] += intensity * kspace.abs().amax((-2, -1))
    return from_kspace(kspace)


@dataclass(frozen=True)
class Spike:
    """Stripes of one direction and width, drawn at random for each image (herringbone artefact).

    Source: TorchIO's `Spike`, arXiv 2003.04696; Zhuo and Gullapalli, RadioGraphics 26 (2006), 275-297.

    Attributes:
        intensity: of the spike against the greatest magnitude of k-space; at least 0. The stripes are `intensity`
            times the image's mean brightness high.

    Raises:
        TypeError, ValueError: a parameter is out of range.
    """

    intensity: float

    def __post_init__(self) -> None:
        check_number("intensity", self.intensity, 0)

    @classmethod
    def severity(cls, level: int) -> Spike:
        """Intensity 1 at level 5, the least that TorchIO draws."""
        return cls(intensity=strength(level))

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Images with a spike each."""
        positions = torch.rand(len(images), 2, generator=generator).to(images.device)
        return add_spike(images, positions, self.intensity).clamp(0, 1)


ARTEFACT = Spike
