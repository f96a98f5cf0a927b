"""What an image gives away about its origin without anyone looking at the brain in it."""

from __future__ import annotations

import numpy as np

GIVEAWAYS = ("colour", "frame", "border", "border_spread", "corners", "width", "height")
"""Features that say nothing of a tumour: a model that reads the class off them cheats.

The others, `brightness`, `contrast` and `kilobytes`, depend on the anatomy too: they are shown, but prove nothing.
"""

_BRIGHT = 128
_BLACK = 16
_EVEN = 8
_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)


def grey(image: np.ndarray) -> np.ndarray:
    """float32 [H, W] of 0-255 of a uint8 image [C, H, W], C 1 or 3, by the weights of ITU-R BT.601."""
    if not has_colour(image):
        return image[0].astype(np.float32)
    return np.tensordot(_LUMA, image.astype(np.float32), 1)


def has_colour(image: np.ndarray) -> bool:
    """Whether the channels of a uint8 image [C, H, W] differ anywhere."""
    return any(not np.array_equal(image[0], channel) for channel in image[1:])


def measure(image: np.ndarray, luminance: np.ndarray) -> dict[str, float]:
    """The features that lie in the pixels.

    Args:
        image: uint8 [C, H, W].
        luminance: its `grey`.

    Returns:
        `colour`: 1 if the channels differ, else 0.
        `frame`: 1 if an edge (outermost row or column) is bright, of mean above 128, or one even grey that is not
        black, of mean above 16 and all within 8 levels; else 0.
        `border`, `border_spread`: mean and standard deviation of the outermost pixels, in levels 0-255.
        `corners`: mean of the four corners, squares of a 28th of the side.
        `brightness`, `contrast`: mean and standard deviation of all pixels.
    """
    edges = (luminance[0], luminance[-1], luminance[:, 0], luminance[:, -1])
    ring = np.concatenate(edges)
    side = max(1, len(luminance) // 28)
    ends = (slice(None, side), slice(-side, None))
    return {
        "colour": float(has_colour(image)),
        "frame": float(any(_is_drawn(edge) for edge in edges)),
        "border": float(ring.mean()),
        "border_spread": float(ring.std()),
        "corners": float(np.mean([luminance[rows, columns].mean() for rows in ends for columns in ends])),
        "brightness": float(luminance.mean()),
        "contrast": float(luminance.std()),
    }


def _is_drawn(edge: np.ndarray) -> bool:
    mean = float(edge.mean())
    return mean > _BRIGHT or (mean > _BLACK and float(np.ptp(edge)) <= _EVEN)
