"""Callbacks that report progress."""

from collections.abc import Callable

OnStep = Callable[[str, int, int], None]
"""(what is being done, done, total)."""
OnImages = Callable[[int, int], None]
"""(done, total)."""


def silent(*_: object) -> None:
    """An `OnStep` or `OnImages` that reports nothing."""
