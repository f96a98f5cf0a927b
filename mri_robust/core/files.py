"""Files that are either whole or absent, and where caches live."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from mri_robust.core.errors import UserError


@contextmanager
def written_aside(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; move it into place when the block ends without an error.

    A reader sees the old file or the new one, never a part. After an error nothing is left behind.

    Raises:
        UserError: `path` is a device, a pipe or a folder: a file in its place would break what it is there for.
    """
    if path.exists() and not path.is_file():
        raise UserError(f"cannot write '{path}': it is there and no file; choose another name")
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-", suffix=path.suffix)
    os.close(handle)
    aside = Path(name)
    try:
        yield aside
        os.chmod(aside, 0o666 & ~_umask())
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 `text` to `path` in one move; bytes of a file name that are no text are written as `\\udcff`."""
    with written_aside(path) as aside:
        aside.write_bytes(text.encode("utf-8", "backslashreplace"))


def checksum(path: Path) -> str:
    """SHA-256 of a file, in hex digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def locked(path: Path, on_wait: Callable[[], None] | None = None) -> Iterator[None]:
    """Hold the lock file `path`; wait while another process holds it, after calling `on_wait` once.

    The kernel gives a lock back when its process ends, however it ends, so a file that was left behind stops nobody.

    Raises:
        OSError: the file cannot be made.
    """
    from filelock import FileLock, Timeout

    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        if on_wait:
            on_wait()
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def set_aside(path: Path) -> Path:
    """Rename a damaged file to `<name>.damaged`, where nothing reads it; returns the new path."""
    aside = path.with_name(f"{path.name}.damaged")
    os.replace(path, aside)
    return aside


def cache_folder(*parts: str) -> Path:
    """The user's cache folder for `parts`, made if need be; `MRI_ROBUST_CACHE` overrides where it lies.

    Raises:
        UserError: the folder cannot be written.
    """
    import platformdirs

    root = os.environ.get("MRI_ROBUST_CACHE") or platformdirs.user_cache_dir("mri-robust")
    return writable_folder(Path(root).joinpath(*parts))


def writable_folder(path: Path) -> Path:
    """Make folder `path` and check that files can be written in it.

    Raises:
        UserError: it cannot be made or written.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        reason = error.strerror or str(error)
        raise UserError(f"cannot write to folder '{path}': {reason}; choose another one") from error
    return path


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
