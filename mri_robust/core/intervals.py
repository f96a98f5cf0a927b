"""Confidence intervals of rates."""

from __future__ import annotations

from scipy.stats import binomtest


def wilson(successes: int, n: int) -> tuple[float, float]:
    """95 % Wilson score interval of the rate successes/n, inside [0, 1].

    Raises:
        ValueError: n is under 1, or successes is outside 0..n.
    """
    if n < 1:
        raise ValueError(f"an interval needs n >= 1, got {successes} of {n}")
    interval = binomtest(successes, n).proportion_ci(method="wilson")
    return float(interval.low), float(interval.high)
