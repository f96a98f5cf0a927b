"""What the libraries' PGD cannot do and ours can."""

from __future__ import annotations

from typing import Any

from torch import Tensor


def check_single_run(engine: str, attack: Any, start: Tensor | None) -> Tensor:
    """The start of a native `PGD` that a library can repeat: one run, its last iterate, steps clipped to [0, 1].

    Raises:
        ValueError: the attack asks for more; the message names the engine.
    """
    if attack.keep != "last" or attack.restarts != 1 or start is None:
        raise ValueError(f"engine '{engine}' runs PGD from one given start and keeps the last iterate")
    if attack.clip != "end" and attack.bounds != (0.0, 1.0):
        raise ValueError(f"engine '{engine}' cannot clip each step to {attack.bounds}, only to (0, 1)")
    return start
