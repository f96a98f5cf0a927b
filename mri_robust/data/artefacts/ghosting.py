"""Ghosting: something that pulses during the scan weakens every n-th line of k-space and repeats the head."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from mri_robust.core.validation import check_count, check_number
from mri_robust.data.artefacts import strength
from mri_robust.data.kspace import from_kspace, to_kspace


def add_ghosts(images: Tensor, axes: Tensor, *, num_ghosts: int, intensity: float, restore: float | None) -> Tensor:
    """Multiply every `num_ghosts`-th line of k-space by 1 - intensity, but for the lines in its middle.

    Args:
        images: float32 [N, C, H, W].
        axes: int [N], the axis that the lines are counted along: 0 for rows, 1 for columns.
        num_ghosts, intensity, restore: see `Ghosting`.
    """
    rows, columns = (_gains(side, num_ghosts, intensity, restore).to(images.device) for side in images.shape[-2:])
    gains = torch.where((axes == 0)[:, None, None], rows[:, None], columns[None, :])
    return from_kspace(to_kspace(images) * gains[:, None])


def _gains(lines: int, num_ghosts: int, intensity: float, restore: float | None) -> Tensor:
    """float32 [lines]: the factor on each line of k-space."""
    gains = torch.ones(lines)
    gains[::num_ghosts] = 1 - intensity
    middle, half = lines // 2, round((restore or 0) * lines) // 2
    gains[slice(middle, middle + 1) if restore is None else slice(middle - half, middle + half)] = 1
    return gains


@dataclass(frozen=True)
class Ghosting:
    """Faint copies of the head along one axis, drawn at random for each image.

    Every n-th line weaker by s gives n copies of s / n of the brightness, a field of view / n apart.

    Source: TorchIO's `Ghosting`, arXiv 2003.04696.

    Attributes:
        num_ghosts: how many copies, n; at least 1.
        intensity: how much weaker the lines are, s; at least 0, over 1 they change sign.
        restore: share of the lines, round the middle, that stay; in [0, 1], or None for the middle line alone.

    Raises:
        TypeError, ValueError: a parameter is out of range.
    """

    num_ghosts: int
    intensity: float
    restore: float | None = None

    def __post_init__(self) -> None:
        check_count("num_ghosts", self.num_ghosts)
        check_number("intensity", self.intensity, 0)
        check_number("restore", self.restore or 0, 0, 1)

    @classmethod
    def severity(cls, level: int) -> Ghosting:
        """4 ghosts, of intensity 1 at level 5: TorchIO's fewest, which are the brightest, at its greatest."""
        return cls(num_ghosts=4, intensity=strength(level))

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Images with ghosts along an axis each."""
        axes = torch.randint(2, (len(images),), generator=generator).to(images.device)
        ghosts = add_ghosts(images, axes, num_ghosts=self.num_ghosts, intensity=self.intensity, restore=self.restore)
        return ghosts.clamp(0, 1)


ARTEFACT = Ghosting
