"""Confidence intervals of rates."""

from __future__ import annotations

from math import sqrt

NORMAL_975 = 1.959963984540054
"""The .975 quantile of the standard normal distribution."""


def wilson(successes: int, n: int) -> tuple[float, float]:
    """95 % Wilson score interval of the rate successes/n, inside [0, 1].

    Source: E. B. Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22 (1927).

    Raises:
        ValueError: n is under 1, or successes is outside 0..n.
    """
    if n < 1 or not 0 <= successes <= n:
        raise ValueError(f"successes must be in 0..n with n >= 1, got {successes} of {n}")
    z = NORMAL_975
    rate = successes / n
    centre = rate + z * z / (2 * n)
    half = z * sqrt(rate * (1 - rate) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    low = (centre - half) / scale if successes else 0.0  # exactly, which rounding would miss
    high = (centre + half) / scale if successes < n else 1.0
    return low, high
