"""The only files that import ART and torchattacks."""

from typing import Any

from torch import Tensor


def single_start(engine: str, attack: Any, images: Tensor, start: Tensor | None) -> Tensor:
    """Where a native `PGD` begins, [N, C, H, W], when the engine can repeat it: one run, steps clipped to [0, 1].

    ValueError where the attack asks for more.
    """
    if attack.restarts != 1:
        raise ValueError(f"engine '{engine}' runs PGD from one start, not from {attack.restarts}")
    if attack.clip != "end" and attack.bounds != (0.0, 1.0):
        raise ValueError(f"engine '{engine}' cannot clip each step to {attack.bounds}, only to (0, 1)")
    if start is None:
        return images
    return start[0] if start.ndim == 5 else start
