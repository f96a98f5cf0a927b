"""Measured values to grey levels, where nothing says which value is black and which is white."""

from __future__ import annotations

import numpy as np

from mri_robust.data.formats.limits import Unreadable


def stretched(values: np.ndarray) -> np.ndarray:
    """float64 [H, W] of float64 [H, W]: the least value 0, the greatest 255; all 0 where every value is the same.

    Raises:
        Unreadable: a value is not finite, or too large to be computed on.
    """
    low, high = float(finite(values).min()), float(values.max())
    if low == high:
        return np.zeros(values.shape)
    return finite((values - low) * (255 / (high - low)))


def finite(values: np.ndarray) -> np.ndarray:
    """The values, if each is a finite number.

    Raises:
        Unreadable: one is not.
    """
    if not np.isfinite(values).all():
        raise Unreadable("pixels that are not finite numbers")
    return values
