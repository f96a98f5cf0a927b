"""Callbacks that report progress."""

from collections.abc import Callable

OnStep = Callable[[str, int, int], None]
"""(what is being done, done, total)."""
OnImages = Callable[[int, int], None]
"""(done, total)."""


def silent(what: str, done: int, total: int) -> None:
    """An `OnStep` that reports nothing."""


def silent_images(done: int, total: int) -> None:
    """An `OnImages` that reports nothing."""
