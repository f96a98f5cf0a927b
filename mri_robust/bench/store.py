"""Results on disk: one JSON file a cell, named by the digest of everything that decides it."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from mri_robust.core.hashing import canonical_json, digest
from mri_robust.core.files import set_aside, write_text
from mri_robust.core.files import locked


class Store:
    """The folder of measured cells.

    A file holds the cell's words and its result, and a checksum over both: a file that was cut or edited is not taken
    for a result, but set aside. A failure lies beside it as `<name>.failed.json`, and is no result either.

    Args:
        folder: where they lie.
        on_damage: called with what was found damaged and set aside, in words.
    """

    def __init__(self, folder: Path, on_damage: Callable[[str], None] | None = None) -> None:
        self.folder = folder
        self.on_damage = on_damage

    def path(self, name: str) -> Path:
        """Where the cell of digest `name` lies."""
        return self.folder / f"{name}.json"

    def hold(self, name: str, on_wait: Callable[[], None] | None = None) -> AbstractContextManager[None]:
        """Be the only process that measures a cell; waits for another that does."""
        return locked(self.folder / f"{name}.lock", on_wait)

    def get(self, name: str) -> dict[str, Any] | None:
        """The result of a cell, or None when there is none or its file is damaged and was set aside."""
        path = self.path(name)
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            if content["checksum"] == digest([content["about"], content["result"]]):
                return dict(content["result"])
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError, RecursionError):
            pass
        aside = set_aside(path)
        if self.on_damage:
            self.on_damage(f"cell '{path}' was damaged: it is measured again, the old file is kept as '{aside.name}'")
        return None

    def put(self, name: str, result: dict[str, Any], about: dict[str, Any]) -> None:
        """Keep a cell's result, with what it is about for human readers."""
        content = {"about": about, "checksum": digest([about, result]), "result": result}
        write_text(self.path(name), canonical_json(content) + "\n")
        self._failure(name).unlink(missing_ok=True)

    def put_failure(self, name: str, error: str, traceback: str, about: dict[str, Any]) -> None:
        """Keep why a cell has no result."""
        content = {"about": about, "error": error, "traceback": traceback}
        write_text(self._failure(name), canonical_json(content) + "\n")

    def drop(self, name: str) -> None:
        """Take a result away."""
        self.path(name).unlink(missing_ok=True)

    def _failure(self, name: str) -> Path:
        return self.folder / f"{name}.failed.json"
