"""Artefacts of k-space, the plane of spatial frequencies that a scanner records: ghosts, ringing, motion, spikes."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample

from mri_robust.core.validation import check_count, check_number
from mri_robust.data.artefacts.image import Artefact

JITTER = 0.3
"""How far a movement may stray from its even place in time, in steps between movements; as in TorchIO."""


def to_kspace(images: Tensor) -> Tensor:
    """The 2D Fourier transform of images [..., H, W], frequency 0 in the middle, at (H // 2, W // 2)."""
    return torch.fft.fftshift(torch.fft.fft2(images), (-2, -1))


def from_kspace(kspace: Tensor) -> Tensor:
    """The real part of the images [..., H, W] that have this k-space: the inverse of `to_kspace`."""
    return torch.fft.ifft2(torch.fft.ifftshift(kspace, (-2, -1))).real


@dataclass(frozen=True)
class Ghosting(Artefact):
    """Something that pulses weakens every n-th line of k-space: faint copies of the head along a random axis.

    Lines weaker by s give n copies of s / n of the brightness, a field of view / n apart.

    Source: TorchIO's `Ghosting`, arXiv 2003.04696.
    """

    num_ghosts: int  # how many copies, n; at least 1
    intensity: float  # how much weaker the lines are, s; at least 0, over 1 they change sign
    restore: float | None = None  # share of the lines, round the middle, that stay; in [0, 1]; None: the middle line

    def __post_init__(self) -> None:
        check_count("num_ghosts", self.num_ghosts)
        check_number("intensity", self.intensity, 0)
        check_number("restore", self.restore or 0, 0, 1)

    def draw(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Axes [N] that the lines are counted along: 0 for rows, 1 for columns."""
        return torch.randint(2, (len(images),), generator=generator)

    def apply(self, images: Tensor, drawn: Tensor) -> Tensor:
        """Multiply every n-th line of k-space by 1 - intensity, but for the lines in its middle."""
        rows, columns = (self._gains(side).to(images.device) for side in images.shape[-2:])
        gains = torch.where((drawn == 0)[:, None, None], rows[:, None], columns[None, :])
        return from_kspace(to_kspace(images) * gains[:, None])

    def _gains(self, lines: int) -> Tensor:
        gains = torch.ones(lines)
        gains[:: self.num_ghosts] = 1 - self.intensity
        middle, half = lines // 2, round((self.restore or 0) * lines) // 2
        gains[slice(middle, middle + 1) if self.restore is None else slice(middle - half, middle + half)] = 1
        return gains


@dataclass(frozen=True)
class Gibbs(Artefact):
    """The scan stops before the fine frequencies: ripples beside every edge, and no fine detail.

    Source: Stadler et al., European Radiology 17 (2007), 1242-1255; the cut is that of MONAI's `GibbsNoise`.
    """

    alpha: float  # what is cut of the disc that holds all of k-space, in shares of its radius; in [0, 1]

    def __post_init__(self) -> None:
        check_number("alpha", self.alpha, 0, 1)

    def apply(self, images: Tensor, drawn: Tensor) -> Tensor:
        """Keep of k-space the disc of radius (1 - alpha) * max(H, W) / sqrt(2) alone, about the middle of its corners."""
        radius = (1 - self.alpha) * max(images.shape[-2:]) / math.sqrt(2)
        y, x = (torch.arange(side, device=images.device) - (side - 1) / 2 for side in images.shape[-2:])
        return from_kspace(to_kspace(images) * (torch.hypot(y[:, None], x[None, :]) <= radius))


@dataclass(frozen=True)
class Motion(Artefact):
    """The head moves suddenly, at random times, as often turned and shifted one way as the other.

    Source: Shaw et al., "MRI k-Space Motion Artefact Augmentation" (MIDL 2019), as in TorchIO's `Motion`.
    """

    degrees: float  # each rotation is drawn from [-degrees, degrees]; in [0, 180]
    translation: float  # each shift along rows and columns likewise, in shares of the height and width; in [0, 1]
    moves: int  # how many movements; at least 0

    def __post_init__(self) -> None:
        check_number("degrees", self.degrees, 0, 180)
        check_number("translation", self.translation, 0, 1)
        check_count("moves", self.moves, 0)

    def draw(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Movements [N, M, 4]: degrees, shift along rows and along columns in pixels, and time.

        Times rise from 0 (first column of k-space) to 1 (last).
        """
        drawn = 2 * torch.rand(len(images), self.moves, 4, generator=generator) - 1
        step = 1 / (self.moves + 1)
        times = torch.arange(1, self.moves + 1) * step + drawn[..., 3] * step * JITTER
        shifts = drawn[..., 1:3] * self.translation * torch.tensor(images.shape[-2:])
        return torch.cat([drawn[..., :1] * self.degrees, shifts, times[..., None]], dim=-1)

    def apply(self, images: Tensor, drawn: Tensor) -> Tensor:
        """Put k-space together from the head's positions, column after column; its middle is the unmoved head's."""
        width, times = images.shape[-1], drawn[..., 3]
        columns = torch.arange(width, device=images.device)
        position = ((width * times).int()[:, :, None] <= columns).sum(1)
        middle = (times <= 0.5).sum(1, keepdim=True)
        # Where the head is at the middle of k-space, which holds the bulk of the image, counts as unmoved.
        position = torch.where(position == middle, 0, torch.where(position == 0, middle, position))
        kspace = to_kspace(images)
        for move in range(drawn.shape[1]):
            moved = to_kspace(_moved(images, drawn[:, move, 0], drawn[:, move, 1:3]))
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
class Spike(Artefact):
    """A spark in the scanner room: one wrong point of k-space, stripes of one direction and width in the image.

    Source: TorchIO's `Spike`, arXiv 2003.04696; Zhuo and Gullapalli, RadioGraphics 26 (2006), 275-297.
    """

    intensity: float  # against the greatest magnitude of k-space; at least 0; stripes are so many times the mean high

    def __post_init__(self) -> None:
        check_number("intensity", self.intensity, 0)

    def draw(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Places [N, 2] of the spike, in shares of the rows and columns of k-space, in [0, 1)."""
        return torch.rand(len(images), 2, generator=generator)

    def apply(self, images: Tensor, drawn: Tensor) -> Tensor:
        """Add `intensity` times the greatest magnitude of k-space to one point of it."""
        kspace = to_kspace(images)
        row, column = (drawn * torch.tensor(images.shape[-2:], device=images.device)).floor().long().unbind(1)
        kspace[torch.arange(len(images)), :, row, column] += self.intensity * kspace.abs().amax((-2, -1))
        return from_kspace(kspace)
