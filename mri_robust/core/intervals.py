"""Confidence intervals of rates."""

from scipy.stats import binomtest


def wilson(successes: int, n: int) -> tuple[float, float]:
    """95 % Wilson score interval of the rate successes/n, inside [0, 1]; ValueError unless 0 <= successes <= n >= 1."""
    if n < 1:
        raise ValueError(f"an interval needs n >= 1, got {successes} of {n}")
    interval = binomtest(successes, n).proportion_ci(method="wilson")
    return float(interval.low), float(interval.high)
