"""How long work tells that it goes on."""

from __future__ import annotations

from collections.abc import Callable

OnStep = Callable[[str, int, int], None]
"""(what is going on, done, total)."""
OnImages = Callable[[int, int], None]
"""(done, total)."""


def silent(what: str, done: int, total: int) -> None:
    """Tell nobody."""


def silent_images(done: int, total: int) -> None:
    """Tell nobody."""
