"""What a data set is, `load_dataset`, the one door to all sources, and what a study needs to know of its data."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, Protocol

import numpy as np

from mri_robust.core.errors import UserError
from mri_robust.core.registry import did_you_mean
from mri_robust.core.rng import make_generator
from mri_robust.data.sources import SOURCES

Channels = Literal["grey", "rgb"]
SMALLEST, LARGEST = 8, 1024
"""Sides in pixels that images can be read at."""

MEAN, STD = 0.1855, 0.1813
"""Mean and standard deviation that the study normalises pixels in [0, 1] with (section 5.1), inside every model."""

NO_TUMOUR = ("notumor", "no_tumor", "no-tumor", "notumour", "no_tumour", "healthy", "normal")
"""Names, in any case, of a class without a tumour, where nobody says which classes have one."""


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
        original_sizes: `width x height` of image files before resizing -> how many; empty for other data.
    """

    name: str
    train: Split
    test: Split
    classes: tuple[str, ...]
    digest: str
    skipped: dict[str, int] = field(default_factory=dict)
    tumour_classes: tuple[str, ...] = ()
    original_sizes: dict[str, int] = field(default_factory=dict)

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
    """A place that data sets come from; a module in `data/sources` holds one as `SOURCE`."""

    def accepts(self, text: str) -> bool:
        """Whether a `--data` text is meant for this source; reads nothing."""
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
    found = find_source(text)
    if found is None:
        added = "".join(f", or what the source '{name}' takes" for name in SOURCES.added())
        raise UserError(f"data '{text}' does not exist: give a folder, a .zip file, 'phantom' or 'kaggle'{added}")
    return found.load(text, size=size, channels=channels, skip_unreadable=skip_unreadable)


def find_source(text: str) -> Source | None:
    """The source that a `--data` text is meant for, if there is one."""
    candidates: list[Source] = [SOURCES.load(name) for name in SOURCES.names()]
    return next((source for source in candidates if source.accepts(text)), None)


def with_tumours(dataset: Dataset, tumour_classes: tuple[str, ...]) -> Dataset:
    """The same data, told which classes show a tumour; as it was for none, or for those that the names say.

    Raises:
        UserError: one of them is no class of the data, or they all are.
    """
    if healthy_classes(dataset.classes, tumour_classes) == dataset.healthy:
        return dataset
    return replace(dataset, tumour_classes=tumour_classes)


def healthy_classes(classes: Sequence[str], tumour_classes: Sequence[str] = ()) -> tuple[int, ...]:
    """Indices of the classes without a tumour; none where no name says so.

    Args:
        classes: class names.
        tumour_classes: those with a tumour, so that the others have none; empty to go by `NO_TUMOUR`.

    Raises:
        UserError: a tumour class is none of the classes, or all of them are.
    """
    if not tumour_classes:
        return tuple(index for index, name in enumerate(classes) if name.lower() in NO_TUMOUR)
    for name in tumour_classes:
        if name not in classes:
            raise UserError(f"--tumour-classes: the data have no class '{name}'{did_you_mean(name, list(classes))}")
    healthy = tuple(index for index, name in enumerate(classes) if name not in tumour_classes)
    if not healthy:
        raise UserError(f"--tumour-classes names all of {', '.join(classes)}: leave out those without a tumour")
    return healthy


def training_places(count: int, wanted: int | None, seed: int) -> np.ndarray:
    """The sorted indices of `wanted` out of `count` training images, int64, drawn with the seed.

    All of them, and nothing is drawn, when `wanted` is None or not under `count`.
    """
    import torch

    if wanted is None or wanted >= count:
        return np.arange(count)
    order = torch.randperm(count, generator=make_generator(seed, "training images")).numpy()
    return np.sort(order[:wanted])


def training_images(split: Split, wanted: int | None, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The images at `training_places`, uint8 [N, C, H, W], and their labels, int64 [N]; no copy where that is all."""
    if wanted is None or wanted >= len(split):
        return np.asarray(split.images), split.labels
    places = training_places(len(split), wanted, seed)
    return np.asarray(split.images[places]), split.labels[places]


def content_digest(*arrays: np.ndarray, names: tuple[str, ...] = ()) -> str:
    """16 hex digits of the SHA-256 over the arrays' shapes, types and bytes, and `names`."""
    sha = hashlib.sha256()
    for array in arrays:
        sha.update(f"{array.dtype}{array.shape}".encode())
        sha.update(np.ascontiguousarray(array).data)
    sha.update("\0".join(names).encode())
    return sha.hexdigest()[:16]
