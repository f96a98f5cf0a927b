"""A folder of images in `Training/<class>/`, `Testing/<class>/` layout."""

from __future__ import annotations

import hashlib
import os
import stat
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from mri_robust.core.hashing import digest
from mri_robust.core.errors import UserError
from mri_robust.data.dataset import Channels, Dataset
from mri_robust.data.formats.limits import MAX_BYTES, Unreadable
from mri_robust.data.layout import is_split, shown
from mri_robust.data.reading import read_dataset


class FolderSource:
    """Takes the path of any folder; a folder called like another source is given as `./phantom`."""

    def accepts(self, text: str) -> bool:
        """Whether `text` is the path of a folder, or of something that may not be looked at."""
        if text in ("", "phantom", "kaggle"):
            return False
        try:
            return Path(text).is_dir()
        except OSError:
            return True

    def load(self, text: str, *, size: int, channels: Channels, skip_unreadable: bool) -> Dataset:
        """Load the folder at path `text`; see `mri_robust.data.dataset.load_dataset`."""
        return read_dataset(FolderFiles(Path(text)), size=size, channels=channels, skip_unreadable=skip_unreadable)


class FolderFiles:
    """The files below a folder, as `mri_robust.data.reading.Files`.

    Links are followed only to files inside the folder; others, and links to folders, count as `link` in `skipped`.

    Raises:
        UserError: the folder, or one in it, cannot be listed.
    """

    def __init__(self, path: Path) -> None:
        try:
            self.path = path.resolve(strict=True)
            self._listing: list[str] = []
            self._skipped: Counter[str] = Counter()
            self._walk(self.path, ())
        except (OSError, RuntimeError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            named = shown(getattr(error, "filename", None) or path)
            raise UserError(f"cannot read folder '{named}': {reason}; check its path and permissions") from error
        self.listing = tuple(self._listing)
        self.skipped = dict(self._skipped)

    def _walk(self, folder: Path, parts: tuple[str, ...]) -> None:
        with os.scandir(folder) as entries:
            for entry in entries:
                name = "/".join((*parts, entry.name))
                if entry.is_symlink() and not self._stays_inside(entry):
                    self._skipped["link"] += 1
                elif entry.is_dir():
                    self._listing.append(f"{name}/")
                    self._descend(folder / entry.name, (*parts, entry.name))
                elif entry.is_file():
                    self._listing.append(name)
                else:
                    self._skipped["not a file"] += 1

    def _descend(self, folder: Path, parts: tuple[str, ...]) -> None:
        # Anyone may give their home folder by mistake: beyond two levels only what belongs to a split is listed.
        if len(parts) < 2 or any(is_split(part) for part in parts[:2]):
            self._walk(folder, parts)

    def _stays_inside(self, entry: os.DirEntry[str]) -> bool:
        try:
            target = Path(entry.path).resolve(strict=True)
        except (OSError, RuntimeError):
            return False
        return target.is_file() and target.is_relative_to(self.path)

    def read(self, name: str, most: int = -1) -> bytes:
        """The bytes of file `name`, or its first `most`; raises `Unreadable`."""
        try:
            with open(self.path / name, "rb") as file:
                status = os.fstat(file.fileno())
                if not stat.S_ISREG(status.st_mode):
                    raise Unreadable("not a file")
                if status.st_size > MAX_BYTES:
                    raise Unreadable("too large")
                return file.read(most)
        except OSError as error:
            raise Unreadable((error.strerror or str(error)).lower()) from error

    def key(self, names: list[str]) -> str:
        """Digest of names and bytes: a file's time says nothing of its content."""
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            return digest([names, [*pool.map(self._fingerprint, names)]])

    def _fingerprint(self, name: str) -> str:
        try:
            return hashlib.sha256(self.read(name)).hexdigest()
        except Unreadable as reason:
            return str(reason)


SOURCE = FolderSource()
