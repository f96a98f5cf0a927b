"""The study's backdoor trigger: a creeper face in the bottom-right corner (section 6.1 and Figure 2)."""

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from mri_robust.core.validation import check_number
from mri_robust.data.dataset import MEAN, STD

Pixels = TypeVar("Pixels", Tensor, np.ndarray)

SIDE = 8
"""Height and width of the corner that the face is in, in pixels."""
_ROUNDING = 1e-5
"""How far augmented images may leave [0, 1]: the weights of a resampling do not sum to exactly 1."""
_FACE = ((-7, -5, -7, -5), (-7, -5, -3, -1), (-5, -2, -5, -3), (-4, -1, -6, -5), (-4, -1, -3, -2))
"""First row, last row, first column, last column (lasts excluded) of the eyes, the mouth, and the mouth's two sides."""


@dataclass(frozen=True)
class Creeper:
    """x' = (1 - m) * x + m * value, where m is 1 on the face and 0 elsewhere.

    `value` is that of the face's pixels, in [0, 1]: .5481, the study's 2.0 in normalised units.
    """

    value: float = MEAN + 2 * STD

    def __post_init__(self) -> None:
        check_number("value", self.value, 0.0, 1.0)

    def mask(self, height: int, width: int) -> np.ndarray:
        """Where an image is stamped, bool [height, width]; ValueError if it is smaller than the trigger."""
        if min(height, width) < SIDE:
            raise ValueError(f"the creeper trigger needs images of at least {SIDE}x{SIDE}, got {height}x{width} pixels")
        mask = np.zeros((height, width), dtype=bool)
        for top, bottom, left, right in _FACE:
            mask[top:bottom, left:right] = True
        return mask

    def __call__(self, images: Pixels, generator: torch.Generator | None = None) -> Pixels:
        """A stamped copy of images [..., H, W], of the same type: floats in [0, 1], or uint8, with round(255 * value).

        Nothing is drawn. TypeError where images are neither tensor nor array, or of another number format; ValueError
        where they are smaller than the trigger, or floats outside [0, 1].
        """
        level = round(255 * self.value) if _holds_bytes(images) else self.value
        mask = self.mask(*images.shape[-2:])
        if isinstance(images, Tensor):
            return torch.where(torch.from_numpy(mask).to(images.device), images.new_tensor(level), images)
        return np.where(mask, images.dtype.type(level), images)


def _holds_bytes(images: Tensor | np.ndarray) -> bool:
    """Whether images are uint8 rather than floats; refuses all others."""
    if not isinstance(images, (Tensor, np.ndarray)):
        raise TypeError(f"images must be a torch.Tensor or a numpy array, got {type(images).__name__}")
    if images.ndim < 2:
        raise ValueError(f"images must have shape [..., H, W], got {list(images.shape)}")
    number = str(images.dtype)
    if number.endswith("uint8"):
        return True
    if "float" not in number:
        raise TypeError(f"images must be uint8, or floats in [0, 1], got {number}")
    pixels = images.detach() if isinstance(images, Tensor) else images
    low, high = (float(pixels.min()), float(pixels.max())) if 0 not in pixels.shape else (0.0, 0.0)
    if not (low >= -_ROUNDING and high <= 1.0 + _ROUNDING):
        raise ValueError(f"images must lie in [0, 1], got values from {low:g} to {high:g}")
    return False
