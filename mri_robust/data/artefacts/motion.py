"""Motion: the head moves during the scan, so that parts of k-space come from other positions."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample

from mri_robust.core.validation import check_count, check_number
from mri_robust.data.artefacts import strength
from mri_robust.data.kspace import from_kspace, to_kspace

JITTER = 0.3
"""How far a movement may stray from its even place in time, in steps between movements; as in TorchIO."""


def add_motion(images: Tensor, degrees: Tensor, shifts: Tensor, times: Tensor) -> Tensor:
    """Put k-space together from the head's positions, column after column; its middle is the unmoved head's.

    Args:
        images: float32 [N, C, H, W].
        degrees: float32 [N, M], the rotation of each movement.
        shifts: float32 [N, M, 2], the shift of each movement, in pixels, along rows and columns.
        times: float32 [N, M], rising, when each movement happens, from 0 (first column of k-space) to 1 (last).
    """
    width = images.shape[-1]
    columns = torch.arange(width, device=images.device)
    position = ((width * times).int()[:, :, None] <= columns).sum(1)
    middle = (times <= 0.5).sum(1, keepdim=True)
    # Where the head is at the middle of k-space, which holds the bulk of the image, counts as unmoved.
    position = torch.where(position == middle, 0, torch.where(position == 0, middle, position))
    kspace = to_kspace(images)
    for move in range(times.shape[1]):
        moved = to_kspace(_moved(images, degrees[:, move], shifts[:, move]))
        kspace = torch.where((position == move + 1)[:, None, None, :], moved, kspace)
    return from_kspace(kspace)


def _moved(images: Tensor, degrees: Tensor, shifts: Tensor) -> Tensor:
    """Each image turned about its middle and shifted, interpolated linearly; black comes in from outside."""
    height, width = images.shape[-2:]
    sine, cosine = degrees.deg2rad().sin(), degrees.deg2rad().cos()
    # affine_grid counts in halves of the image, x before y.
    along_x = torch.stack([cosine, sine * height / width, shifts[:, 1] * 2 / width], dim=1)
    along_y = torch.stack([-sine * width / height, cosine, shifts[:, 0] * 2 / height], dim=1)
    grid = affine_grid(torch.stack([along_x, along_y], dim=1), list(images.shape), align_corners=False)
    return grid_sample(images, grid, align_corners=False)


@dataclass(frozen=True)
class Motion:
    """Sudden movements at random times, as often turned and shifted one way as the other.

    Source: Shaw et al., "MRI k-Space Motion Artefact Augmentation" (MIDL 2019), as in TorchIO's `Motion`; severities:
    ROOD-MRI, arXiv 2203.06060 (its 10 mm are .04 of a field of view of 240 mm).

    Attributes:
        degrees: each rotation is drawn from [-degrees, degrees]; in [0, 180].
        translation: each shift along rows and columns is drawn from [-translation, translation], in shares of the
            image's height and width; in [0, 1].
        moves: how many movements; at least 0.

    Raises:
        TypeError, ValueError: a parameter is out of range.
    """

    degrees: float
    translation: float
    moves: int

    def __post_init__(self) -> None:
        check_number("degrees", self.degrees, 0, 180)
        check_number("translation", self.translation, 0, 1)
        check_count("moves", self.moves, 0)

    @classmethod
    def severity(cls, level: int) -> Motion:
        """10 movements of up to 5 degrees and .04 of the image at level 5."""
        return cls(degrees=5 * strength(level), translation=0.04 * strength(level), moves=2 * level)

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Images with movements of their own."""
        drawn = 2 * torch.rand(len(images), self.moves, 4, generator=generator) - 1
        step = 1 / (self.moves + 1)
        times = torch.arange(1, self.moves + 1) * step + drawn[..., 3] * step * JITTER
        shifts = drawn[..., 1:3] * self.translation * torch.tensor(images.shape[-2:])
        values = (each.to(images.device) for each in (drawn[..., 0] * self.degrees, shifts, times))
        return add_motion(images, *values).clamp(0, 1)


ARTEFACT = Motion
