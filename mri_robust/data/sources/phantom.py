"""Synthetic slices from a seed: `phantom`, or `phantom:train=400,test=100,seed=3`."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np

from mri_robust.core.hashing import digest
from mri_robust.core.errors import UserError
from mri_robust.core.registry import did_you_mean
from mri_robust.data.dataset import Channels, Dataset, Split
from mri_robust.data.phantom.slices import CLASSES, VERSION, SplitName, label_of
from mri_robust.data.phantom.storage import Extent, load_images

FEWEST, MOST = 8, 1_000_000
FOLDERS: dict[SplitName, str] = {"train": "Training", "test": "Testing"}


@dataclass(frozen=True)
class Phantom:
    """The source of synthetic slices."""

    def accepts(self, text: str) -> bool:
        """Whether `text` is `phantom`, with options or without."""
        return text == "phantom" or text.startswith("phantom:")

    def load(self, text: str, *, size: int, channels: Channels, skip_unreadable: bool) -> Dataset:
        """Draw the set, or map it from the cache; `skip_unreadable` has nothing to skip.

        Raises:
            UserError: an option is unknown or out of range.
        """
        extent = parse_extent(text)
        images = load_images(extent, size)
        if channels == "rgb":
            images = np.broadcast_to(images, (len(images), 3, size, size))
        return Dataset(
            name="phantom",
            train=_split(extent.seed, "train", images[: extent.train]),
            test=_split(extent.seed, "test", images[extent.train :]),
            classes=CLASSES,
            digest=digest({"phantom": VERSION, "extent": extent, "size": size, "channels": channels}),
        )


def parse_extent(text: str) -> Extent:
    """The options of `phantom:train=400,test=100,seed=3`; what is not given keeps its default.

    Raises:
        UserError: an option is unknown, given twice, not a whole number, or out of range.
    """
    known = [field.name for field in fields(Extent)]
    given: dict[str, int] = {}
    for option in filter(None, text.partition(":")[2].split(",")):
        key, _, value = (part.strip() for part in option.partition("="))
        if key not in known:
            raise UserError(f"data '{text}': unknown option '{key}'{did_you_mean(key, known)}")
        if key in given:
            raise UserError(f"data '{text}': option '{key}' is given twice")
        if not (value.isascii() and value.isdigit()):
            raise UserError(f"data '{text}': {key} must be a whole number, as in {key}=400; got '{value}'")
        given[key] = _checked(text, key, value)
    return replace(Extent(), **given)


def _checked(text: str, key: str, digits: str) -> int:
    low, high = (0, 2**32 - 1) if key == "seed" else (FEWEST, MOST)
    if len(digits) > 18 or not low <= int(digits) <= high:
        raise UserError(f"data '{text}': {key} must be from {low} to {high}; got {digits}")
    return int(digits)


def _split(seed: int, name: SplitName, images: np.ndarray) -> Split:
    labels = np.array([label_of(seed, name, index) for index in range(len(images))], dtype=np.int64)
    folder = FOLDERS[name]
    names = tuple(f"{folder}/{CLASSES[label]}/phantom-{index:05d}.png" for index, label in enumerate(labels))
    return Split(images, labels, names)


SOURCE = Phantom()
