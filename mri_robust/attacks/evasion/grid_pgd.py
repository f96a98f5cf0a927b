"""PGD on the grid of stored grey levels (Kurakin et al. 2017, arXiv 1607.02533: "pixel values are integers")."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, field
from typing import Literal

import torch
from torch import Tensor

from mri_robust.attacks.evasion.norms import Norm
from mri_robust.attacks.evasion.pgd import PGD
from mri_robust.core.validation import check_count

ROUNDING = 5e-7
"""By how much a float32 pixel may miss its grey level; a ball that ends there counts as reaching the level."""


@dataclass(frozen=True)
class GridPGD(PGD):
    """L-inf PGD whose every iterate is an image of whole grey levels, so that a file of that depth keeps it as it is.

    For images whose pixels are such levels the ball holds the whole levels up to `eps`: a radius between two is that of
    the smaller, and under one level the image stays as it is. A pixel between two levels goes to one inside the ball,
    or stays where there is none.

    Attributes:
        eps: radius of the ball, in [0, 1].
        alpha: size of a step, rounded to whole levels, at least one; a quarter of `eps` when None.
        levels: how many there are from black to white: 256 in 8 bits, 4096 in 12.
        steps, restarts, random_start, targeted: as of `PGD`.
    """

    _: KW_ONLY
    levels: int = 256
    norm: Norm = field(default="linf", init=False, repr=False)
    clip: Literal["after", "before", "end"] = field(default="after", init=False, repr=False)
    bounds: tuple[float, float] = field(default=(0.0, 1.0), init=False, repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_count("levels", self.levels, 2)

    @property
    def step_size(self) -> float:
        """Whole levels, as a share of the pixel range."""
        white = self.levels - 1
        return max(1, round(super().step_size * white)) / white

    def draw_start(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """As of `PGD`, on the grid."""
        return self.projected(images, super().draw_start(images, generator), self.eps)

    def projected(self, images: Tensor, iterate: Tensor, eps: float | Tensor) -> Tensor:
        """To the nearest level that is in the ball around the images and in [0, 1]."""
        white = self.levels - 1
        low = ((images - eps - ROUNDING) * white).ceil().clamp(min=0)
        high = ((images + eps + ROUNDING) * white).floor().clamp(max=white)
        nearest = (iterate * white).round().minimum(high).maximum(low)
        return torch.where(low <= high, nearest / white, images)


ATTACK = GridPGD
