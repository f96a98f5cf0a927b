"""What can go from a results folder without loss, and its deletion while no bench is at work there."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from mri_robust.core.errors import UserError
from mri_robust.data.layout import shown
from mri_robust.report.any_content import size_of
from mri_robust.report.stored import Stored
from mri_robust.report.stored_files import StoredCell

_REASONS = {"failed": "failure", "damaged": "damaged"}


@dataclass(frozen=True)
class Removable:
    """A file that can go.

    Attributes:
        path: where it lies.
        reason: `failure`, `damaged`, `partial result`, `partial training`, `interrupted write`, `unused result` or
            `unused model`.
        bytes: its size.
    """

    path: Path
    reason: str
    bytes: int


def removable(stored: Stored, *, unused: bool = False) -> list[Removable]:
    """The files that `results clean` deletes; all that they held is computed again when it is asked for.

    Args:
        stored: the folder.
        unused: also results and models that the last run did not use.

    Raises:
        UserError: `unused` is asked for and no run says what it used.
    """
    if unused and stored.used is None:
        raise UserError(
            f"'{shown(stored.folder)}' has no whole run.json that says what is used: let a bench finish there, "
            "or clean without --unused"
        )
    found = []
    for entry in stored.entries:
        cell = isinstance(entry, StoredCell)
        reason = _REASONS.get(entry.state, "")
        if entry.state == "partial":
            reason = "partial result" if cell else "partial training"
        if unused and stored.uses(entry) is False:
            reason = "unused result" if cell else "unused model"
        if reason:
            found.append(Removable(entry.path, reason, entry.bytes))
    found += [Removable(path, "damaged", size_of(path)) for path in stored.aside]
    return found + [Removable(path, "interrupted write", size_of(path)) for path in stored.leftovers]


@contextmanager
def while_no_bench_runs(folder: Path) -> Iterator[None]:
    """Hold every lock file of a results folder, so that no bench starts on what is being deleted.

    Raises:
        UserError: a bench holds one of them.
    """
    with ExitStack() as held:
        for path in sorted(path for part in ("", "cells", "models") for path in (folder / part).glob("*.lock")):
            try:
                handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
                held.callback(os.close, handle)
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise UserError(
                    f"a bench is at work in '{shown(folder)}' (it holds {path.relative_to(folder)}): "
                    "wait until it has ended, or end it"
                ) from error
        yield


def delete(files: list[Removable]) -> int:
    """Delete files; returns how many bytes that freed.

    Raises:
        UserError: some could not be deleted; the others are.
    """
    freed, kept = 0, []
    for file in files:
        try:
            file.path.unlink(missing_ok=True)
            freed += file.bytes
        except OSError as error:
            kept.append(f"'{shown(file.path)}' ({error.strerror})")
    if kept:
        raise UserError(f"could not delete {kept[0]}" + (f" and {len(kept) - 1} more" if len(kept) > 1 else ""))
    return freed
