"""Files that are whole or absent, lock files, and the cache folder."""

import hashlib
import os
import secrets
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from mri_robust.core.errors import UserError


@contextmanager
def written_aside(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`, and move it to `path` when the block ends without an error.

    A reader sees the old file or the new one, never a part. After an error nothing is left behind. Raises `UserError`
    where `path` is a device, a pipe or a folder, which a file must not replace.
    """
    if path.exists() and not path.is_file():
        raise UserError(f"cannot write '{path}': it exists and is not a file; choose another name")
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}-{secrets.token_hex(4)}{path.suffix}")
    aside.touch(exist_ok=False)
    try:
        yield aside
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path` as UTF-8, whole or not at all; a file name's invalid bytes are written as `\\udcff`."""
    with written_aside(path) as aside:
        aside.write_bytes(text.encode("utf-8", "backslashreplace"))


def checksum(path: Path) -> str:
    """SHA-256 of a file, in hex digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def locked(path: Path, on_wait: Callable[[], None] | None = None) -> Iterator[None]:
    """Hold the lock file `path`; while another process or thread holds it, call `on_wait` once and wait.

    The kernel frees a lock when its process ends, however it ends: a file that is left behind blocks nobody. Raises
    OSError where the file cannot be made.
    """
    from filelock import FileLock, Timeout

    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        held = lock.acquire(blocking=False)
    except Timeout:
        if on_wait:
            on_wait()
        held = lock.acquire()
    with held:
        yield


def set_aside(path: Path) -> Path:
    """Rename a damaged file to `<name>.damaged`, which nothing reads; returns the new path."""
    aside = path.with_name(f"{path.name}.damaged")
    os.replace(path, aside)
    return aside


def cache_folder(*parts: str) -> Path:
    """The `writable_folder` for `parts` in the user's cache; `MRI_ROBUST_CACHE` overrides its root."""
    import platformdirs

    root = os.environ.get("MRI_ROBUST_CACHE") or platformdirs.user_cache_dir("mri-robust")
    return writable_folder(Path(root).joinpath(*parts))


def writable_folder(path: Path) -> Path:
    """Folder `path`, created if missing; `UserError` where it cannot be created or files cannot be written in it."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        reason = error.strerror or str(error)
        raise UserError(f"cannot write to folder '{path}': {reason}; choose another one") from error
    return path
