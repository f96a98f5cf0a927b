"""Seeds derived from names, so that no two random draws share a stream and none touches the global state."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from mri_robust.core.hashing import digest

if TYPE_CHECKING:
    import torch


def derive_seed(seed: int, *names: str | int) -> int:
    """A seed in [0, 2**48) for the purpose that `names` describe; the same arguments always give the same seed."""
    return int(digest([seed, *names], length=12), 16)


def make_generator(seed: int, *names: str | int) -> torch.Generator:
    """A CPU `torch.Generator` seeded with `derive_seed(seed, *names)`."""
    import torch

    return torch.Generator().manual_seed(derive_seed(seed, *names))


@contextmanager
def seeded_globals(seed: int) -> Iterator[None]:
    """Seed Python's, NumPy's and torch's global CPU generators, with 0 or more; put all back at the block's end."""
    import random

    import numpy as np
    import torch

    kept, own = np.random.get_state(), random.getstate()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        np.random.seed(seed % 2**32)
        random.seed(seed)
        try:
            yield
        finally:
            np.random.set_state(kept)
            random.setstate(own)
