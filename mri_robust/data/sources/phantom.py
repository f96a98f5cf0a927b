"""Synthetic slices from a seed: `phantom`, or `phantom:train=400,test=100,seed=3`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace

import numpy as np

from mri_robust.core.errors import UserError
from mri_robust.core.hashing import digest
from mri_robust.core.registry import did_you_mean
from mri_robust.data.cache import cached
from mri_robust.data.dataset import Channels, Dataset, Split
from mri_robust.data.phantom import CLASSES, VERSION, draw, label_of

FEWEST, MOST = 8, 1_000_000


@dataclass(frozen=True)
class Extent:
    """Which slices a set holds; more slices never change the earlier ones."""

    train: int = 1600
    test: int = 400
    seed: int = 0  # 0 or more; names the whole set


class Phantom:
    """The source of synthetic slices."""

    def accepts(self, text: str) -> bool:
        """Whether `text` is `phantom`, with options or without."""
        return text == "phantom" or text.startswith("phantom:")

    def load(self, text: str, *, size: int, channels: Channels, skip_unreadable: bool) -> Dataset:
        """Draw the set, or map it from the cache; `skip_unreadable` has nothing to skip.

        Raises:
            UserError: an option is unknown or out of range, or the set fits neither the cache nor memory.
        """
        extent = parse_extent(text)
        images = _load_images(extent, size)
        if channels == "rgb":
            images = np.broadcast_to(images, (len(images), 3, size, size))
        splits = []
        for split, folder, pixels in (
            ("train", "Training", images[: extent.train]),
            ("test", "Testing", images[extent.train :]),
        ):
            labels = np.array([label_of(extent.seed, split, index) for index in range(len(pixels))], dtype=np.int64)
            names = (f"{folder}/{CLASSES[label]}/phantom-{index:05d}.png" for index, label in enumerate(labels))
            splits.append(Split(pixels, labels, tuple(names)))
        named = {"phantom": VERSION, "extent": extent, "size": size, "channels": channels}
        return Dataset("phantom", *splits, classes=CLASSES, digest=digest(named))


def parse_extent(text: str) -> Extent:
    """The options of `phantom:train=400,test=100,seed=3`; what is not given keeps its default.

    Raises:
        UserError: an option is unknown, given twice, not a whole number, or out of range.
    """
    known = [field.name for field in fields(Extent)]
    given: dict[str, int] = {}
    for option in filter(None, text.partition(":")[2].split(",")):
        key, _, value = (part.strip() for part in option.partition("="))
        low, high = (0, 2**32 - 1) if key == "seed" else (FEWEST, MOST)
        if key not in known:
            raise UserError(f"data '{text}': unknown option '{key}'{did_you_mean(key, known)}")
        if key in given:
            raise UserError(f"data '{text}': option '{key}' is given twice")
        if not (value.isascii() and value.isdigit()):
            raise UserError(f"data '{text}': {key} must be a whole number, as in {key}=400; got '{value}'")
        if len(value) > 18 or not low <= int(value) <= high:
            raise UserError(f"data '{text}': {key} must be from {low} to {high}; got {value}")
        given[key] = int(value)
    return replace(Extent(), **given)


def _load_images(extent: Extent, size: int) -> np.ndarray:
    """All slices, uint8 [train + test, 1, size, size], read-only; in memory where the cache cannot be written."""
    try:
        return cached(digest(["phantom", VERSION, extent, size]), lambda facts: _drawn(extent, size))[0]
    except UserError:
        count = extent.train + extent.test
    try:
        images = np.empty((count, 1, size, size), np.uint8)
    except MemoryError as error:
        raise UserError(
            f"{count} slices of {size} pixels fit neither the cache nor memory: ask for fewer or smaller ones"
        ) from error
    for place, image in zip(images, _drawn(extent, size), strict=True):
        place[:] = image
    images.flags.writeable = False
    return images


def _drawn(extent: Extent, size: int) -> Iterator[np.ndarray]:
    # One thread: the arrays of a slice are so small that threads only wait for one another.
    for split, count in (("train", extent.train), ("test", extent.test)):
        for index in range(count):
            yield draw(extent.seed, split, index, size)[0][None]


SOURCE = Phantom()
