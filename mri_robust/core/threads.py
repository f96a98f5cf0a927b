"""How many threads small work takes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute on one CPU thread, and on as many as before afterwards, also after an error.

    Work on single images is too small to share. On a busy machine the threads wait for each other at every operation:
    measured with two threads on two cores, one of them taken, an augmented image took 40 ms instead of 2.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
