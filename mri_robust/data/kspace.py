"""Images and their k-space, the plane of spatial frequencies that a scanner records."""

from __future__ import annotations

import torch
from torch import Tensor

PLANE = (-2, -1)


def to_kspace(images: Tensor) -> Tensor:
    """The 2D Fourier transform of images [..., H, W], frequency 0 in the middle, at (H // 2, W // 2)."""
    return torch.fft.fftshift(torch.fft.fft2(images), PLANE)


def from_kspace(kspace: Tensor) -> Tensor:
    """The real part of the images [..., H, W] that have this k-space: the inverse of `to_kspace`."""
    return torch.fft.ifft2(torch.fft.ifftshift(kspace, PLANE)).real
