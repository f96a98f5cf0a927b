"""Files of any content, read without an error: what cannot be used is taken as absent."""

from __future__ import annotations

import errno
import json
import struct
from pathlib import Path
from typing import Any

from mri_robust.core.errors import UserError
from mri_robust.data.layout import shown

Content = dict[str, Any]

CORRUPT = (OSError, ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError, struct.error)
"""What reading a file of any content can raise."""
_MOST_DEPTH = 64
"""Levels of nesting; nothing that a bench writes comes near."""


def read_object(path: Path) -> Content | None:
    """The JSON object in a file; None where there is none."""
    try:
        content = json.loads(path.read_text(encoding="utf-8")) if is_file(path) else None
    except CORRUPT:
        return None
    return content if isinstance(content, dict) and not too_deep(content) else None


def as_mapping(value: object) -> Content:
    """`value` where it is an object of JSON, else an empty one."""
    return value if isinstance(value, dict) else {}


def as_number(value: object) -> float | None:
    """`value` where it is a finite number of JSON, else None."""
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return None
    return float(value) if abs(value) < 1e300 else None


def is_file(path: Path) -> bool:
    """Whether `path` is a regular file; False also for a name that no file can have."""
    try:
        return path.is_file()
    except OSError:
        return False


def files_in(folder: Path) -> list[Path]:
    """The regular files of a folder, sorted; none where there is no such folder.

    Raises:
        UserError: it cannot be read.
    """
    try:
        return sorted(path for path in folder.iterdir() if is_file(path))
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG):
            return []
        raise UserError(f"cannot read folder '{shown(folder)}': {error.strerror}") from error


def size_of(path: Path) -> int:
    """Bytes of a file; 0 for one that is gone."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def too_deep(content: object) -> bool:
    """Whether JSON is nested so deeply that code which follows it down would fail."""
    level = [content]
    for _ in range(_MOST_DEPTH):
        level = [child for each in level for child in _children(each)]
    return bool(level)


def _children(value: object) -> list[object]:
    return list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
