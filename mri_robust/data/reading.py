"""Image files in `Training/<class>/`, `Testing/<class>/` to a `Dataset`, whatever they lie in."""

from __future__ import annotations

import hashlib
import os
import warnings
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from mri_robust.core.hashing import digest
from mri_robust.core.errors import UserError
from mri_robust.data.cache import Record, Slot
from mri_robust.data.dataset import Channels, Dataset, Split
from mri_robust.data.formats.limits import Unreadable
from mri_robust.data.formats.names import MAGIC_END, decoders
from mri_robust.data.layout import Layout, arrange, class_of, shown
from mri_robust.data.pixels import decode

_BATCH = 64
_FORMAT = 1


class Files(Protocol):
    """Image files of a data set: a folder or an archive.

    Attributes:
        path: the folder or archive.
        listing: slash-separated names below `path`; those of folders end in a slash.
        skipped: reason -> number of files that are not in the listing.
    """

    path: Path
    listing: tuple[str, ...]
    skipped: dict[str, int]

    def read(self, name: str, most: int = -1) -> bytes:
        """The bytes of a listed file, or its first `most`; raises `Unreadable`."""
        ...

    def key(self, names: list[str]) -> str:
        """A digest that changes whenever the bytes or the names of these files do."""
        ...


@dataclass(frozen=True)
class ImageDataset(Dataset):
    """A data set read from image files.

    Attributes:
        original_sizes: `width x height` of the files before resizing -> how many.
    """

    original_sizes: dict[str, int] = field(default_factory=dict)


class _Image(NamedTuple):
    pixels: np.ndarray
    size: tuple[int, int]
    sha256: str


def read_dataset(files: Files, *, size: int, channels: Channels, skip_unreadable: bool) -> ImageDataset:
    """Load the images of a folder or archive, from the cache if the same content was loaded before.

    Args:
        files: where the images lie.
        size: height and width to resize to, pixels.
        channels: `grey` or `rgb`.
        skip_unreadable: go on without files that cannot be read.

    Raises:
        UserError: the layout is wrong, a file cannot be read, or the cache cannot be written.
    """
    from PIL import __version__ as pillow

    where = shown(files.path)
    layout = arrange(files.listing, where, lambda name: first_bytes(files, name))
    names = [layout.root + name for name in (*layout.train, *layout.test)]
    slot = Slot(digest([_FORMAT, pillow, files.key(names), size, channels, *decoders(names)]))
    kept = slot.load()
    if kept is None:
        _fill(slot, files, layout, size, channels, skip_unreadable)
        kept = slot.load()
    if kept is None:
        raise UserError(f"the image cache '{shown(slot.pixels)}' does not read back as written: try again")
    images, record = kept
    _check_unreadable(record.unreadable, layout, where, skip_unreadable)
    return _dataset(files, layout, images, record)


def first_bytes(files: Files, name: str) -> bytes:
    """What `is_image` asks of a file; nothing where it cannot be read."""
    try:
        return files.read(name, MAGIC_END)
    except Unreadable:
        return b""


def _fill(slot: Slot, files: Files, layout: Layout, size: int, channels: Channels, skip_unreadable: bool) -> None:
    shas: dict[str, str] = {}
    unreadable: dict[str, str] = {}
    sizes: Counter[str] = Counter()
    with slot.filled() as writer:
        for name, result in _decoded(files, layout, size, channels):
            if isinstance(result, Unreadable):
                unreadable[name] = str(result)
                continue
            writer.add(result.pixels)
            shas[name] = result.sha256
            sizes[f"{result.size[0]} x {result.size[1]}"] += 1
        _check_unreadable(unreadable, layout, shown(files.path), skip_unreadable)
        writer.record = Record(
            shape=(len(shas), 1 if channels == "grey" else 3, size, size),
            content=digest([*shas.items()]),
            sha256=writer.sha256,
            unreadable=unreadable,
            original_sizes=dict(sizes.most_common()),
        )


def _decoded(files: Files, layout: Layout, size: int, channels: Channels) -> Iterator[tuple[str, _Image | Unreadable]]:
    """Every image in order, decoded by all cores; Pillow decodes and resizes outside the interpreter's lock."""

    def one(name: str) -> tuple[str, _Image | Unreadable]:
        try:
            data = files.read(layout.root + name)
            return name, _Image(*decode(data, size, channels, name), sha256=hashlib.sha256(data).hexdigest())
        except Unreadable as reason:
            return name, reason

    names = (*layout.train, *layout.test)
    # The warnings are on oddities inside single files (EXIF, palettes, sizes), which a reader of 7000 cannot act on.
    with ThreadPoolExecutor(os.cpu_count()) as pool, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for start in range(0, len(names), _BATCH):
            yield from pool.map(one, names[start : start + _BATCH])


def _check_unreadable(unreadable: dict[str, str], layout: Layout, where: str, skip_unreadable: bool) -> None:
    if not unreadable:
        return
    if not skip_unreadable:
        first = ", ".join(f"{shown(name)} ({reason})" for name, reason in [*unreadable.items()][:3])
        more = ", ..." if len(unreadable) > 3 else ""
        raise UserError(
            f"{len(unreadable)} image file{'s' * (len(unreadable) > 1)} in '{where}' cannot be read: {first}{more}; "
            "replace or remove them, or go on without them with --skip-unreadable"
        )
    for split, names in (("Training", layout.train), ("Testing", layout.test)):
        left = {class_of(name) for name in names if name not in unreadable}
        if empty := [name for name in layout.classes if name not in left]:
            raise UserError(
                f"class '{shown(empty[0])}' has no readable image in {split} of '{where}': "
                "every class needs some in Training and in Testing"
            )


def _dataset(files: Files, layout: Layout, images: np.ndarray, record: Record) -> ImageDataset:
    """`images` cut into the two splits, with labels and names as the layout has them now."""
    train, test = ([name for name in names if name not in record.unreadable] for names in (layout.train, layout.test))
    _, channels, size, _ = record.shape
    skipped = Counter(files.skipped) + Counter(layout.skipped) + Counter(unreadable=len(record.unreadable))

    def split(names: list[str], pixels: np.ndarray) -> Split:
        labels = np.array([layout.classes.index(class_of(name)) for name in names], dtype=np.int64)
        return Split(pixels, labels, tuple(names))

    return ImageDataset(
        name=files.path.name,
        train=split(train, images[: len(train)]),
        test=split(test, images[len(train) :]),
        classes=layout.classes,
        digest=digest([record.content, size, channels]),
        skipped=dict(skipped),
        original_sizes=record.original_sizes,
    )
