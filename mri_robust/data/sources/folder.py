"""A folder of images in class folders, in `Training/` and `Testing/` or to be divided."""

import hashlib
import os
import stat
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from mri_robust.core.errors import UserError, shown
from mri_robust.core.hashing import digest
from mri_robust.data.decode import MAX_BYTES, Unreadable
from mri_robust.data.layout import is_hidden, split_of
from mri_robust.data.loader import WORDS, Files, file_source


class FolderFiles(Files):
    """The files below a folder.

    Links are followed only to files inside the folder; others, and links to folders, count as `link` in `skipped`. With
    `whole`, all but hidden folders are listed, however deep; else beyond three levels what belongs to a split. Raises
    `UserError` where the folder, or one in it, cannot be listed.
    """

    def __init__(self, path: Path, whole: bool = False) -> None:
        self.listing: list[str] = []
        self.skipped = Counter[str]()
        self.whole = whole
        try:
            self.path = path.resolve(strict=True)
            self._walk(self.path, ())
        except (OSError, RuntimeError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            named = shown(getattr(error, "filename", None) or path)
            raise UserError(f"cannot read folder '{named}': {reason}; check its path and permissions") from error

    def _walk(self, folder: Path, parts: tuple[str, ...]) -> None:
        with os.scandir(folder) as entries:
            for entry in entries:
                here = (*parts, entry.name)
                name = "/".join(here)
                if entry.is_symlink() and not self._stays_inside(entry):
                    self.skipped["link"] += 1
                elif entry.is_dir():
                    self.listing.append(f"{name}/")
                    # Anyone may give their home folder by mistake.
                    if not is_hidden(here) if self.whole else len(here) < 4 or any(map(split_of, here[:3])):
                        self._walk(folder / entry.name, here)
                elif entry.is_file():
                    self.listing.append(name)
                else:
                    self.skipped["not a file"] += 1

    def _stays_inside(self, entry: os.DirEntry[str]) -> bool:
        with suppress(OSError, RuntimeError):
            target = Path(entry.path).resolve(strict=True)
            return target.is_file() and target.is_relative_to(self.path)
        return False

    def read(self, name: str, most: int = -1) -> bytes:
        """The bytes of file `name`, or its first `most`; raises `Unreadable`."""
        try:
            status = os.stat(self.path / name)
            if not stat.S_ISREG(status.st_mode):  # to open a pipe could wait for ever
                raise Unreadable("not a file")
            if status.st_size > MAX_BYTES:
                raise Unreadable("too large")
            with open(self.path / name, "rb") as file:
                return file.read(most)
        except (OSError, ValueError) as error:  # a table may name anything, also what no file is called
            raise Unreadable((getattr(error, "strerror", None) or str(error)).lower()) from error

    def key(self, names: list[str]) -> str:
        """Digest of names and bytes: a file's time says nothing of its content."""

        def one(name: str) -> str:
            try:
                return hashlib.sha256(self.read(name)).hexdigest()
            except Unreadable as reason:
                return str(reason)

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            return digest([names, [*pool.map(one, names)]])


def _is_folder(text: str) -> bool:
    try:
        return text not in WORDS and Path(text).is_dir()
    except OSError:
        return True  # something that may not be looked at


SOURCE = file_source(_is_folder, lambda text, whole: FolderFiles(Path(text), whole))
"""Takes the path of any folder; a folder called like another source is given as `./phantom`."""
