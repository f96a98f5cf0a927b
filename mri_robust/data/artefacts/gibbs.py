"""Gibbs ringing: the scan stops before the fine frequencies, so that edges ring."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from mri_robust.core.validation import check_number
from mri_robust.data.artefacts import strength
from mri_robust.data.kspace import from_kspace, to_kspace


def cut_frequencies(images: Tensor, alpha: float) -> Tensor:
    """Keep of k-space the disc of radius (1 - alpha) * max(H, W) / sqrt(2) alone, about the middle of its corners.

    Args:
        images: float32 [N, C, H, W].
        alpha: see `Gibbs`.
    """
    radius = (1 - alpha) * max(images.shape[-2:]) / math.sqrt(2)
    y, x = (torch.arange(side, device=images.device) - (side - 1) / 2 for side in images.shape[-2:])
    return from_kspace(to_kspace(images) * (torch.hypot(y[:, None], x[None, :]) <= radius))


@dataclass(frozen=True)
class Gibbs:
    """Ripples beside every edge, and no fine detail. Nothing is drawn at random.

    Source: Stadler et al., European Radiology 17 (2007), 1242-1255; the cut is that of MONAI's `GibbsNoise`.

    Attributes:
        alpha: what is cut of the disc that holds all of k-space, in shares of its radius; in [0, 1].

    Raises:
        TypeError, ValueError: a parameter is out of range.
    """

    alpha: float

    def __post_init__(self) -> None:
        check_number("alpha", self.alpha, 0, 1)

    @classmethod
    def severity(cls, level: int) -> Gibbs:
        """.8 of the radius cut at level 5."""
        return cls(alpha=0.8 * strength(level))

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Images that ring."""
        return cut_frequencies(images, self.alpha).clamp(0, 1)


ARTEFACT = Gibbs
