"""Synthetic slices from a seed: `phantom`, or `phantom:train=400,test=100,seed=3`."""

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from shutil import disk_usage

import numpy as np

from mri_robust.core.errors import UserError
from mri_robust.core.files import cache_folder
from mri_robust.core.hashing import digest
from mri_robust.core.registry import did_you_mean
from mri_robust.data.cache import cached
from mri_robust.data.dataset import Channels, Dataset, Source, Split
from mri_robust.data.phantom.slices import CLASSES, VERSION, SplitName, draw, label_of

FEWEST, MOST = 8, 1_000_000


@dataclass(frozen=True)
class Extent:
    """Which slices a set holds; more slices never change the earlier ones."""

    train: int = 800
    test: int = 400
    seed: int = 0  # 0 or more; names the whole set


def _load(text: str, *, size: int, channels: Channels, skip_unreadable: bool) -> Dataset:
    """Draw the set, or map it from the cache."""
    extent = parse_extent(text)
    drawn = _load_images(extent, size)
    images = np.broadcast_to(drawn, (len(drawn), 1 if channels == "grey" else 3, size, size))
    return Dataset(
        name="phantom",
        train=_split(extent.seed, "train", images[: extent.train]),
        test=_split(extent.seed, "test", images[extent.train :]),
        classes=CLASSES,
        digest=digest({"phantom": VERSION, "extent": extent, "size": size, "channels": channels}),
    )


def _split(seed: int, name: SplitName, images: np.ndarray) -> Split:
    labels = np.array([label_of(seed, name, index) for index in range(len(images))], dtype=np.int64)
    names = (f"{name.title()}ing/{CLASSES[label]}/phantom-{index:05d}.png" for index, label in enumerate(labels))
    return Split(images, labels, tuple(names))


def parse_extent(text: str) -> Extent:
    """The options of a `--data` text; `UserError` for one unknown, given twice, no whole number or out of range."""
    known, given = [field.name for field in fields(Extent)], dict[str, int]()
    for option in filter(None, text.partition(":")[2].split(",")):
        key, _, value = (part.strip() for part in option.partition("="))
        low, high = (0, 2**32 - 1) if key == "seed" else (FEWEST, MOST)
        if key not in known:
            raise UserError(f"data '{text}': unknown option '{key}'{did_you_mean(key, known)}")
        if key in given:
            raise UserError(f"data '{text}': option '{key}' is given twice")
        if not re.fullmatch("[0-9]{1,18}", value) or not low <= int(value) <= high:
            raise UserError(f"data '{text}': {key} must be a whole number from {low} to {high}; got '{value}'")
        given[key] = int(value)
    return replace(Extent(), **given)


def _load_images(extent: Extent, size: int) -> np.ndarray:
    """All slices, uint8 [train + test, 1, size, size], read-only; in memory where the cache cannot take them."""
    count = extent.train + extent.test
    with suppress(UserError):
        if count * size**2 < disk_usage(cache_folder("datasets")).free:
            return cached(digest(["phantom", VERSION, extent, size]), lambda facts: _drawn(extent, size))[0]
    try:
        images = np.empty((count, 1, size, size), np.uint8)
    except MemoryError as error:
        raise UserError(
            f"{count} slices of {size} pixels fit neither the cache nor memory: ask for fewer or smaller ones"
        ) from error
    for index, image in enumerate(_drawn(extent, size)):
        images[index] = image
    images.flags.writeable = False
    return images


def _drawn(extent: Extent, size: int) -> Iterator[np.ndarray]:
    # One thread: the arrays of a slice are so small that threads only wait for one another.
    yield from (draw(extent.seed, "train", index, size)[0][None] for index in range(extent.train))
    yield from (draw(extent.seed, "test", index, size)[0][None] for index in range(extent.test))


SOURCE = Source(lambda text: text.partition(":")[0] == "phantom", _load)
