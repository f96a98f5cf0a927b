"""Scans to look through: one image, or all in a folder or a `.zip`, without classes or splits."""

from collections import Counter
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile, is_zipfile

import numpy as np

from mri_robust.core.errors import UserError, shown
from mri_robust.data.dataset import Channels
from mri_robust.data.decode import Unreadable, kind_of
from mri_robust.data.layout import why_left_out
from mri_robust.data.loader import Files, decoded, unreadable_error
from mri_robust.data.sources.archive import ArchiveFiles
from mri_robust.data.sources.folder import FolderFiles


@dataclass(frozen=True)
class Scans:
    """Images without labels."""

    images: np.ndarray  # uint8 [N, C, S, S], N at least 1, all in memory
    names: tuple[str, ...]  # N file names, relative to the folder or archive, sorted
    sizes: np.ndarray  # int64 [N, 2], width and height in pixels before they were resized
    skipped: dict[str, int]  # reason -> number of files left out, as in `Dataset`


class _OneFile(FolderFiles):
    """A single file, hidden or not."""

    def __init__(self, path: Path) -> None:
        self.path, self.listing, self.skipped = path.absolute().parent, [path.name], Counter()


def read_scans(
    path: Path, *, size: int, channels: Channels, skip_unreadable: bool = False, leave_out: Path | None = None
) -> Scans:
    """Read one image, or every image in a folder (searched to its depths) or a `.zip`, but for the file `leave_out`.

    The other options are as for `load_dataset`. Raises `UserError` where `path` does not exist, is unsafe, holds no
    image, or one that cannot be read.
    """
    where, kept, unreadable = shown(path), list[str](), dict[str, str]()
    sizes = list[tuple[int, int]]()
    with closing(_opened(path, where)) as files:
        names, skipped = _chosen(files, leave_out)
        if not names:
            raise UserError(f"'{where}' holds no images: give an image, or a folder or .zip with some in it")
        try:
            images = np.empty((len(names), 1 if channels == "grey" else 3, size, size), dtype=np.uint8)
        except MemoryError as error:
            raise UserError(f"{len(names)} images of {size} pixels do not fit in memory: give fewer") from error
        for name, result in decoded(files, names, size=size, channels=channels):
            if isinstance(result, Unreadable):
                unreadable[name] = str(result)
            else:
                images[len(kept)] = result[0]
                kept.append(name)
                sizes.append((int(result[1][0]), int(result[1][1])))
    if unreadable and not (skip_unreadable and kept):
        raise unreadable_error(unreadable, where, way_out=bool(kept))
    return Scans(images[: len(kept)], tuple(kept), np.array(sizes), dict(skipped + Counter(unreadable=len(unreadable))))


def _opened(path: Path, where: str) -> Files:
    try:
        folder, file, there = path.is_dir(), path.is_file(), path.exists()
    except OSError as error:
        raise UserError(f"cannot read '{where}': {error.strerror}; check its path and permissions") from error
    if not there:
        raise UserError(f"'{where}' does not exist: give an image, or a folder or .zip of images")
    if folder:
        return FolderFiles(path, whole=True)
    zipped = not file or path.suffix.casefold() == ".zip"
    with suppress(BadZipFile):  # which it raises for one of the many ways not to be a zip
        zipped = zipped or is_zipfile(path)
    return _OneFile(path) if file and (kind_of(path.name) or not zipped) else ArchiveFiles(path)


def _chosen(files: Files, leave_out: Path | None) -> tuple[list[str], Counter[str]]:
    """The images of a listing, sorted, and why how many other files are left out."""
    if isinstance(files, _OneFile):
        return list(files.listing), Counter()
    names, skipped = list[str](), Counter(files.skipped)
    for name in sorted(files.listing):
        if name.endswith("/") or (leave_out is not None and files.path / name == leave_out.resolve()):
            continue
        if reason := why_left_out(name, files.first_bytes):
            skipped[reason] += 1
        else:
            names.append(name)
    return names, skipped
