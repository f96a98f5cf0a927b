"""Libraries draw from global random states; here those are held to a seed and put back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


@contextmanager
def global_chance(seed: int) -> Iterator[None]:
    """Seed NumPy's and torch's global CPU generators for the time of a library's call, and put both back.

    Args:
        seed: 0 or more.
    """
    kept = np.random.get_state()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        np.random.seed(seed % 2**32)
        try:
            yield
        finally:
            np.random.set_state(kept)
