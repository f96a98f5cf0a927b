"""Checks of the parameters that evasion attacks share."""

from __future__ import annotations

import math

from mri_robust.attacks.geometry import NORMS
from mri_robust.core.contract import check_choice, check_number


def check_ball(eps: float, norm: str) -> None:
    """Check a norm and its radius: eps in [0, 1] for L-inf, where pixels span [0, 1]; any finite eps >= 0 for L2.

    Raises:
        TypeError, ValueError: see `check_number`.
    """
    check_choice("norm", norm, NORMS)
    check_number("eps", eps, 0.0, 1.0 if norm == "linf" else math.inf)


def check_bounds(bounds: tuple[float, float]) -> None:
    """Check pixel bounds: two finite numbers, the first under the second.

    Raises:
        TypeError, ValueError: they are not.
    """
    if not isinstance(bounds, tuple) or len(bounds) != 2:
        raise TypeError(f"bounds must be a pair (low, high), got {bounds!r}")
    check_number("bounds[0]", bounds[0], -math.inf)
    check_number("bounds[1]", bounds[1], bounds[0], open_low=True)
