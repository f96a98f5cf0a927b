"""What a data set is, and `load_dataset`, the one door to all sources."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, Protocol

import numpy as np

from mri_robust.core.errors import UserError
from mri_robust.data.sources import SOURCES
from mri_robust.data.tumours import healthy_classes

Channels = Literal["grey", "rgb"]
SMALLEST, LARGEST = 8, 1024
"""Sides in pixels that images can be read at."""


@dataclass(frozen=True)
class Split:
    """The training or the test part of a data set.

    Attributes:
        images: uint8 [N, C, H, W], C = 1 (grey) or 3 (RGB); may be a read-only memory map.
        labels: int64 [N], indices into `Dataset.classes`.
        names: N file names, relative to the data set (`Training/glioma/Tr-gl_0010.jpg`).
    """

    images: np.ndarray
    labels: np.ndarray
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Dataset:
    """A labelled set of slices in two splits.

    Attributes:
        name: `phantom`, or the file name of the folder or archive.
        train, test: the two splits.
        classes: class names; a label is an index into them.
        digest: names everything that decides the pixels and labels: the content, the size and the channels.
        skipped: what was left out while reading, reason -> count: `hidden`, `not an image`, `outside the classes`,
            `link` (out of the data folder), `not a file`, `unreadable`.
        tumour_classes: the classes with a tumour, where somebody said so; see `healthy_classes`.
    """

    name: str
    train: Split
    test: Split
    classes: tuple[str, ...]
    digest: str
    skipped: dict[str, int] = field(default_factory=dict)
    tumour_classes: tuple[str, ...] = ()

    @property
    def healthy(self) -> tuple[int, ...]:
        """The classes without a tumour: those that are no `tumour_classes`, or whose name says so."""
        return healthy_classes(self.classes, self.tumour_classes)

    @property
    def size(self) -> int:
        """Image height and width in pixels."""
        return int(self.train.images.shape[-1])

    @property
    def channels(self) -> Channels:
        """`grey` or `rgb`."""
        return "grey" if self.train.images.shape[1] == 1 else "rgb"


class Source(Protocol):
    """A place that data sets come from; a module in `data/sources` holds one as `SOURCE`.

    `accepts` says whether a `--data` text is meant for this source; `load` reads it.
    """

    def accepts(self, text: str) -> bool:
        """Whether `text` is meant for this source; reads nothing."""
        ...

    def load(self, text: str, *, size: int, channels: Channels, skip_unreadable: bool) -> Dataset:
        """Load what `text` names; see `load_dataset` for the arguments and errors."""
        ...


def load_dataset(
    source: str | Path = "phantom", *, size: int, channels: Channels = "grey", skip_unreadable: bool = False
) -> Dataset:
    """Load a data set from any source.

    Args:
        source: `phantom`, `kaggle`, or the path of a folder or `.zip` that holds `Training/<class>/` and
            `Testing/<class>/`. The words come before paths: a folder called `phantom` is given as `./phantom`.
        size: height and width in pixels that every image is resized to, 8 to 1024.
        channels: `grey` (one channel) or `rgb` (three).
        skip_unreadable: go on without files that cannot be read; they are counted in `Dataset.skipped`.

    Raises:
        UserError: the source does not exist or cannot be used; the message says what to do.
        ValueError: `size` or `channels` is out of range.
    """
    if isinstance(size, bool) or not isinstance(size, int) or not SMALLEST <= size <= LARGEST:
        raise ValueError(f"size must be a whole number of pixels from {SMALLEST} to {LARGEST}, got {size!r}")
    if channels not in ("grey", "rgb"):
        raise ValueError(f"channels must be 'grey' or 'rgb', got {channels!r}")
    text = str(source)
    for name in SOURCES.names():
        candidate: Source = SOURCES.load(name)
        if candidate.accepts(text):
            return candidate.load(text, size=size, channels=channels, skip_unreadable=skip_unreadable)
    added = "".join(f", or what the source '{name}' takes" for name in SOURCES.added())
    raise UserError(f"data '{text}' does not exist: give a folder, a .zip file, 'phantom' or 'kaggle'{added}")


def with_tumours(dataset: Dataset, tumour_classes: tuple[str, ...]) -> Dataset:
    """The same data, told which classes show a tumour; as it was for none, or for those that the names say.

    Raises:
        UserError: one of them is no class of the data, or they all are.
    """
    if healthy_classes(dataset.classes, tumour_classes) == dataset.healthy:
        return dataset
    return replace(dataset, tumour_classes=tumour_classes)


def content_digest(*arrays: np.ndarray, names: tuple[str, ...] = ()) -> str:
    """16 hex digits of the SHA-256 over the arrays' shapes, types and bytes, and `names`."""
    sha = hashlib.sha256()
    for array in arrays:
        sha.update(f"{array.dtype}{array.shape}".encode())
        sha.update(np.ascontiguousarray(array).data)
    sha.update("\0".join(names).encode())
    return sha.hexdigest()[:16]
