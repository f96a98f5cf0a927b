"""A `.zip` file of images in `Training/<class>/`, `Testing/<class>/` layout; nothing is ever unpacked to disk."""

import stat
import zipfile
from pathlib import Path, PurePosixPath, PureWindowsPath

from mri_robust.core.errors import UserError, shown
from mri_robust.core.files import checksum
from mri_robust.data.decode import MAX_BYTES, Unreadable
from mri_robust.data.loader import TABLES, WORDS, Files, file_source

_MOST_UNPACKED, _MOST_RATIO = 2**30 / 1e6, 200
"""MB that any archive may unpack to, and times its own size that a larger one may; pictures are packed already."""


class ArchiveFiles(Files):
    """The members of a zip file; `UserError` for one that is cut short, encrypted, unsafe to unpack, or no zip."""

    def __init__(self, path: Path) -> None:
        self.path, self.skipped = path, {}
        self._zip = _opened(path)
        self._members = _members(self._zip, path)
        self.listing = tuple(self._members)

    def read(self, name: str, most: int = -1) -> bytes:
        """The bytes of member `name`, never more than its declared size, or its first `most`; raises `Unreadable`."""
        member = self._members[name]
        if member.file_size > MAX_BYTES:
            raise Unreadable("too large")
        try:
            # In small steps: zipfile unpacks all that a step reads of a bzip2 or LZMA member, 60000 times as much.
            with self._zip.open(member) as file:
                return file.read(most) if most >= 0 else b"".join(iter(lambda: file.read(4096), b""))
        except (NotImplementedError, RuntimeError) as error:
            raise Unreadable("packed by an unknown method") from error
        except Exception as error:
            # On damaged members zipfile raises BadZipFile, zlib.error, LZMAError, EOFError, struct.error, ...
            raise Unreadable("damaged in the archive") from error

    def close(self) -> None:
        """Close the archive."""
        self._zip.close()

    def key(self, names: list[str]) -> str:
        """Digest of the archive itself, which is quicker than that of its members."""
        try:
            return checksum(self.path)
        except OSError as error:
            raise UserError(f"cannot read '{shown(self.path)}': {error.strerror or error}") from error


def _opened(path: Path) -> zipfile.ZipFile:
    where = shown(path)
    wrong = f"'{where}' is neither a folder nor a .zip file: give one of these"
    try:
        if path.is_file():  # to open a pipe or a device could wait for ever
            return zipfile.ZipFile(path)
    except OSError as error:
        raise UserError(f"cannot read '{where}': {error.strerror or error}; check its permissions") from error
    except Exception:  # on a damaged directory more than BadZipFile: struct.error, UnicodeDecodeError, ...
        if path.suffix.casefold() == ".zip":
            wrong = f"'{where}' is not a whole .zip file: it may be cut short, download or copy it anew"
    raise UserError(wrong)


def _members(archive: zipfile.ZipFile, file: Path) -> dict[str, zipfile.ZipInfo]:
    """Slash-separated name -> member, after a look at what makes an archive unsafe to use."""
    where = shown(file)
    members: dict[str, zipfile.ZipInfo] = {}
    for member in archive.infolist():
        # Some Windows programs separate by backslashes, against the format's rule.
        path = PurePosixPath(member.filename.replace("\\", "/"))
        name = "/".join(path.parts) + "/" * member.filename.endswith(("/", "\\"))
        if ".." in path.parts or path.is_absolute() or PureWindowsPath(name).drive:
            raise UserError(f"'{where}' is unsafe: its member '{shown(path)}' points out of it; do not use this file")
        if stat.S_ISLNK(member.external_attr >> 16):
            raise UserError(f"'{where}' is unsafe: its member '{shown(name)}' is a link; pack the file itself")
        if member.flag_bits & 1:
            raise UserError(f"'{where}' is encrypted: unzip it with its password and give the folder")
        if name in members and not name.endswith("/"):
            raise UserError(f"'{where}' holds '{shown(name)}' twice: pack it anew")
        members[name] = member
    # A small archive can unpack to more than any machine holds.
    sizes = (member.file_size for member in members.values())
    unpacked, packed = sum(size for size in sizes if size <= MAX_BYTES) / 1e6, file.stat().st_size / 1e6
    if unpacked > max(_MOST_UNPACKED, _MOST_RATIO * packed):
        raise UserError(f"'{where}' is unsafe: its {packed:.1f} MB unpack to {unpacked:.0f} MB; do not use it")
    return members


def _is_file(text: str) -> bool:
    try:
        path = Path(text)
        return text not in WORDS and path.suffix.casefold() not in TABLES and path.exists() and not path.is_dir()
    except (OSError, ValueError):
        return False


SOURCE = file_source(_is_file, lambda text, whole: ArchiveFiles(Path(text)))
"""Takes the path of any file, so that one which is no zip is told apart from one that does not exist."""
