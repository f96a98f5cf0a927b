"""Resolution loss: a faster scan with larger pixels, enlarged to the usual size."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, interpolate

from mri_robust.core.validation import check_number
from mri_robust.data.artefacts import strength


def lose_resolution(images: Tensor, zoom: float) -> Tensor:
    """Average over larger pixels, `zoom` times as many along each side, and interpolate linearly back.

    Args:
        images: float32 [N, C, H, W].
        zoom: see `Resolution`.
    """
    height, width = images.shape[-2:]
    coarse = adaptive_avg_pool2d(images, (max(1, round(height * zoom)), max(1, round(width * zoom))))
    return interpolate(coarse, (height, width), mode="bilinear", align_corners=False)


@dataclass(frozen=True)
class Resolution:
    """Pixels that each hold the mean of a larger square (partial volume). Nothing is drawn at random.

    Source: ROOD-MRI, arXiv 2203.06060; MONAI's `RandSimulateLowResolution` with mode `area`.

    Attributes:
        zoom: pixels along a side that are left, as a share; in (0, 1].

    Raises:
        TypeError, ValueError: a parameter is out of range.
    """

    zoom: float

    def __post_init__(self) -> None:
        check_number("zoom", self.zoom, 0, 1, open_low=True)

    @classmethod
    def severity(cls, level: int) -> Resolution:
        """Pixels 4 times as wide at level 5."""
        return cls(zoom=1 / (1 + 3 * strength(level)))

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Images of a coarser scan."""
        return lose_resolution(images, self.zoom).clamp(0, 1)


ARTEFACT = Resolution
