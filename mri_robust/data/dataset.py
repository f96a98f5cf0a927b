"""What a data set is, `load_dataset`, the one door to all sources, and what a study needs to know of its data."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, Protocol

import numpy as np

from mri_robust.core.errors import UserError
from mri_robust.core.registry import did_you_mean
from mri_robust.data import SOURCES

Channels = Literal["grey", "rgb"]
SMALLEST, LARGEST = 8, 1024  # sides in pixels that images can be read at
MEAN, STD = 0.1855, 0.1813
"""Mean and standard deviation that the study normalises pixels in [0, 1] with (section 5.1), inside every model."""
NO_TUMOUR = ("notumor", "no_tumor", "no-tumor", "notumour", "no_tumour", "healthy", "normal")
"""Names, in any case, of a class without a tumour, where nobody says which classes have one."""


@dataclass(frozen=True)
class Split:
    """The training or the test part of a data set."""

    images: np.ndarray  # uint8 [N, C, H, W], C = 1 (grey) or 3 (RGB); may be a read-only memory map
    labels: np.ndarray  # int64 [N], indices into `Dataset.classes`
    names: tuple[str, ...]  # N file names, relative to the data set (`Training/glioma/Tr-gl_0010.jpg`)

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Dataset:
    """A labelled set of slices in two splits.

    What was left out while reading is in `skipped`, reason -> count: `hidden`, `not an image`, `outside the classes`,
    `link` (out of the data folder), `not a file`, `unreadable`.
    """

    name: str  # `phantom`, or the file name of the folder or archive
    train: Split
    test: Split
    classes: tuple[str, ...]  # a label is an index into them
    digest: str  # names everything that decides the pixels and labels: the content, the size and the channels
    skipped: dict[str, int] = field(default_factory=dict)
    tumour_classes: tuple[str, ...] = ()  # the classes with a tumour, where somebody said so; see `healthy_classes`
    files: Mapping[str, Sequence[float]] = field(default_factory=dict)  # name -> own width, height, kilobytes of 1000
    unreadable: tuple[str, ...] = ()  # names of the image files that were left out

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

    def load(self, text: str, *, size: int, channels: Channels, skip_unreadable: bool) -> Dataset:
        """Load what `text` names; see `load_dataset`."""


def load_dataset(
    source: str | Path = "phantom", *, size: int, channels: Channels = "grey", skip_unreadable: bool = False
) -> Dataset:
    """Load a data set from any source: `phantom`, `kaggle`, or the path of a folder or `.zip`.

    The folder or `.zip` holds `Training/<class>/` and `Testing/<class>/`; one called `phantom` is given as `./phantom`.
    Images are resized to `size` pixels, 8 to 1024, of height and width, in one channel (`grey`) or three (`rgb`). With
    `skip_unreadable`, files that cannot be read are left out and counted in `Dataset.skipped`. Raises `UserError` where
    the source does not exist or cannot be used, ValueError where `size` or `channels` is out of range.
    """
    if isinstance(size, bool) or not isinstance(size, int) or not SMALLEST <= size <= LARGEST:
        raise ValueError(f"size must be a whole number of pixels from {SMALLEST} to {LARGEST}, got {size!r}")
    if channels not in ("grey", "rgb"):
        raise ValueError(f"channels must be 'grey' or 'rgb', got {channels!r}")
    text = str(source)
    found: Source | None = next((each for each in map(SOURCES.load, SOURCES.names()) if each.accepts(text)), None)
    if found is None:
        added = "".join(f", or what the source '{name}' takes" for name in SOURCES.added())
        raise UserError(f"data '{text}' does not exist: give a folder, a .zip file, 'phantom' or 'kaggle'{added}")
    return found.load(text, size=size, channels=channels, skip_unreadable=skip_unreadable)


def with_tumours(dataset: Dataset, tumour_classes: tuple[str, ...]) -> Dataset:
    """The same data, told which classes show a tumour; as it was for none, or for those that the names say."""
    known = healthy_classes(dataset.classes, tumour_classes) == dataset.healthy
    return dataset if known else replace(dataset, tumour_classes=tumour_classes)


def healthy_classes(classes: Sequence[str], tumour_classes: Sequence[str] = ()) -> tuple[int, ...]:
    """Indices of the classes that are no `tumour_classes`, or where none are given, whose names are in `NO_TUMOUR`."""
    if not tumour_classes:
        return tuple(index for index, name in enumerate(classes) if name.lower() in NO_TUMOUR)
    for name in tumour_classes:
        if name not in classes:
            raise UserError(f"--tumour-classes: the data have no class '{name}'{did_you_mean(name, list(classes))}")
    healthy = tuple(index for index, name in enumerate(classes) if name not in tumour_classes)
    if not healthy:
        raise UserError(f"--tumour-classes names all of {', '.join(classes)}: leave out those without a tumour")
    return healthy


def content_digest(*arrays: np.ndarray, names: tuple[str, ...] = ()) -> str:
    """16 hex digits of the SHA-256 over the arrays' shapes, types and bytes, and `names`."""
    sha = hashlib.sha256("\0".join(names).encode())
    for array in arrays:
        sha.update(f"{array.dtype}{array.shape}".encode())
        sha.update(np.ascontiguousarray(array).data)
    return sha.hexdigest()[:16]
