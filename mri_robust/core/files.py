"""Files that are whole or absent, lock files, and the cache folder."""

from __future__ import annotations

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

    A reader sees the old file or the new one, never a part. After an error nothing is left behind.

    Raises:
        UserError: `path` is a device, a pipe or a folder, which a file must not replace.
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


@contextmanager
def locked(path: Path, on_wait: Callable[[], None] | None = None) -> Iterator[None]:
    """Hold the lock file `path`; while another process or thread holds it, call `on_wait` once and wait.

    The kernel frees a lock when its process ends, however it ends: a file that is left behind blocks nobody.

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
    """Rename a damaged file to `<name>.damaged`, which nothing reads; returns the new path."""
    aside = path.with_name(f"{path.name}.damaged")
    os.replace(path, aside)
    return aside


def cache_folder(*parts: str) -> Path:
    """The user's cache folder for `parts`, created if missing; `MRI_ROBUST_CACHE` overrides its root.

    Raises:
        UserError: the folder cannot be written.
    """
    import platformdirs

    root = os.environ.get("MRI_ROBUST_CACHE") or platformdirs.user_cache_dir("mri-robust")
    return writable_folder(Path(root).joinpath(*parts))


def writable_folder(path: Path) -> Path:
    """Create folder `path` if missing, and check that files can be written in it.

    Raises:
        UserError: it cannot be created or written.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        reason = error.strerror or str(error)
        raise UserError(f"cannot write to folder '{path}': {reason}; choose another one") from error
    return path
