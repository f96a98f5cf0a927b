"""Structural similarity of images, and the most similar of many."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from mri_robust.training import to_unit_range

SIGMA, RADIUS = 1.5, 5
"""Of the Gaussian window of 11 pixels in which images are compared."""
C1, C2 = 0.01**2, 0.03**2
"""Wang's constants for pixels in [0, 1]."""
PART = 256
"""Candidates compared at a time."""


def structural_similarity(first: Tensor, second: Tensor) -> Tensor:
    """SSIM of images, in [-1, 1], 1 for equal ones.

    Source: Wang et al. 2004, doi 10.1109/TIP.2003.819861, equation 13, averaged over the places where the window lies
    inside the image, and over the channels.

    Args:
        first, second: float32 in [0, 1], [N, C, H, W] each, or one of them [1, C, H, W]; sides of 11 pixels at least.

    Returns:
        float32 [N].
    """
    return _compared(_moments(first), _moments(second))


def nearest_similarity(images: Tensor, candidates: np.ndarray) -> Tensor:
    """The SSIM of each image with the most similar candidate, float32 [N]: every candidate is compared.

    Args:
        images: float32 [N, C, H, W] in [0, 1].
        candidates: uint8 [M, C, H, W], M at least 1.
    """
    best = torch.full((len(images),), -1.0)
    for begin in range(0, len(candidates), PART):
        some = _moments(to_unit_range(torch.from_numpy(np.array(candidates[begin : begin + PART]))))
        found = [_compared(_moments(image[None]), some).max() for image in images]
        best = torch.maximum(best, torch.stack(found))
    return best


def _moments(images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The images, and their mean and variance in the window round each place."""
    mean = _windowed(images)
    return images, mean, _windowed(images * images) - mean * mean


def _compared(first: tuple[Tensor, Tensor, Tensor], second: tuple[Tensor, Tensor, Tensor]) -> Tensor:
    (images, mean, variance), (others, other_mean, other_variance) = first, second
    product = mean * other_mean
    covariance = _windowed(images * others) - product
    brightness = (2 * product + C1) / (mean * mean + other_mean * other_mean + C1)
    contrast = (2 * covariance + C2) / (variance + other_variance + C2)
    return (brightness * contrast).mean((1, 2, 3))


def _windowed(images: Tensor) -> Tensor:
    """The Gaussian mean round each place, [N, C, H - 10, W - 10]."""
    height, width = (_window_matrix(side) for side in images.shape[-2:])
    return height.T @ (images @ width)


def _window_matrix(side: int) -> Tensor:
    """[side, side - 10]: a window a column; on a CPU its product is faster than a convolution."""
    away = torch.arange(side)[:, None] - torch.arange(RADIUS, side - RADIUS)
    window = torch.exp(-(away**2) / (2 * SIGMA**2)) * (away.abs() <= RADIUS)
    return window / window.sum(0)
