"""Scans to look through: one image, or all in a folder or a `.zip`, without classes or splits."""

from __future__ import annotations

import os
import warnings
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from zipfile import BadZipFile, is_zipfile

import numpy as np

from mri_robust.core.errors import UserError
from mri_robust.data.dataset import Channels
from mri_robust.data.formats.limits import Unreadable
from mri_robust.data.formats.names import is_image, kind_of
from mri_robust.data.layout import shown
from mri_robust.data.pixels import decode
from mri_robust.data.reading import Files, first_bytes
from mri_robust.data.sources.archive import ArchiveFiles
from mri_robust.data.sources.folder import FolderFiles


@dataclass(frozen=True)
class Scans:
    """Images without labels.

    Attributes:
        images: uint8 [N, C, S, S], N at least 1, all in memory.
        names: N file names, relative to the folder or archive, sorted.
        skipped: reason -> number of files left out: `hidden`, `not an image`, `link` (out of the folder), `not a file`,
            `unreadable`.
    """

    images: np.ndarray
    names: tuple[str, ...]
    skipped: dict[str, int]


class _Tree(FolderFiles):
    """All files below a folder, however deep, but for hidden folders."""

    def _descend(self, folder: Path, parts: tuple[str, ...]) -> None:
        if not _is_hidden(parts[-1]):
            self._walk(folder, parts)


class _OneFile(FolderFiles):
    """A single file, hidden or not, as `mri_robust.data.reading.Files`."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute().parent
        self.listing = (path.name,)
        self.skipped = {}


def read_scans(
    path: Path, *, size: int, channels: Channels, skip_unreadable: bool = False, leave_out: Path | None = None
) -> Scans:
    """Read one image, or every image in a folder (searched to its depths) or a `.zip`, as data sets are read.

    Args:
        path: the image, folder or archive.
        size: height and width to resize to, pixels.
        channels: `grey` or `rgb`.
        skip_unreadable: go on without images that cannot be read.
        leave_out: a file that is no scan, wherever it lies.

    Raises:
        UserError: `path` does not exist, is unsafe, or holds no image; an image cannot be read.
    """
    where = shown(path)
    with _opened(path) as files:
        names, skipped = _chosen(files, leave_out)
        if not names:
            raise UserError(f"'{where}' holds no images: give an image, or a folder or .zip with some in it")
        images, unreadable = _decoded(files, names, size, channels)
    if unreadable and not (skip_unreadable and len(images)):
        first = ", ".join(f"{shown(name)} ({reason})" for name, reason in [*unreadable.items()][:3])
        more = ", ..." if len(unreadable) > 3 else ""
        many = f"{len(unreadable)} image{'s' * (len(unreadable) > 1)}"
        way_out = ", or go on without them with --skip-unreadable" if len(images) else ""
        raise UserError(f"{many} in '{where}' cannot be read: {first}{more}; replace or remove them{way_out}")
    skipped += Counter(unreadable=len(unreadable))
    return Scans(images, tuple(name for name in names if name not in unreadable), dict(+skipped))


@contextmanager
def _opened(path: Path) -> Iterator[Files]:
    try:
        folder, file, there = path.is_dir(), path.is_file(), path.exists()
    except OSError as error:
        raise UserError(f"cannot read '{shown(path)}': {error.strerror}; check its path and permissions") from error
    if not there:
        raise UserError(f"'{shown(path)}' does not exist: give an image, or a folder or .zip of images")
    if folder:
        yield _Tree(path)
    elif file and (kind_of(path.name) or not (path.suffix.casefold() == ".zip" or _is_zip(path))):
        yield _OneFile(path)
    else:
        with ArchiveFiles(path) as files:
            yield files


def _is_zip(path: Path) -> bool:
    try:
        return is_zipfile(path)
    except BadZipFile:  # which it raises for one of the many ways not to be a zip
        return False


def _is_hidden(part: str) -> bool:
    return part.startswith(".") or part.casefold() == "__macosx"


def _chosen(files: Files, leave_out: Path | None) -> tuple[list[str], Counter[str]]:
    """The images of a listing, sorted, and why how many other files are left out."""
    names: list[str] = []
    skipped = Counter(files.skipped)
    for name in sorted(files.listing):
        path = PurePosixPath(name)
        if name.endswith("/") or (leave_out is not None and files.path / name == leave_out.resolve()):
            continue
        if isinstance(files, _OneFile):
            names.append(name)
        elif any(_is_hidden(part) for part in path.parts):
            skipped["hidden"] += 1
        elif not is_image(name, lambda name: first_bytes(files, name)):
            skipped["not an image"] += 1
        else:
            names.append(name)
    return names, skipped


def _decoded(files: Files, names: list[str], size: int, channels: Channels) -> tuple[np.ndarray, dict[str, str]]:
    """uint8 [N, C, S, S] of the images that can be read, in order, and name -> reason of the others."""

    def one(name: str) -> np.ndarray | Unreadable:
        try:
            return decode(files.read(name), size, channels, name)[0]
        except Unreadable as reason:
            return reason

    try:
        images = np.empty((len(names), 1 if channels == "grey" else 3, size, size), dtype=np.uint8)
    except MemoryError as error:
        raise UserError(f"{len(names)} images of {size} pixels do not fit in memory: give fewer at a time") from error
    unreadable: dict[str, str] = {}
    # Pillow decodes outside the interpreter's lock; it warns of oddities that nobody can act on here.
    with ThreadPoolExecutor(os.cpu_count()) as pool, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for place, result in enumerate(pool.map(one, names)):
            if isinstance(result, Unreadable):
                unreadable[names[place]] = str(result)
            else:
                images[place - len(unreadable)] = result
    return images[: len(names) - len(unreadable)], unreadable
