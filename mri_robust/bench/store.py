"""Results on disk: one JSON file a cell, named by the digest of everything that decides it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mri_robust.core.digest import canonical_json, digest
from mri_robust.core.files import write_text


class Store:
    """The folder of measured cells.

    A file holds the cell's words and its result, and a checksum over both: a file that was cut or edited is not
    taken for a result.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, name: str) -> Path:
        """Where the cell of digest `name` lies."""
        return self.folder / f"{name}.json"

    def get(self, name: str) -> dict[str, Any] | None:
        """The result of a cell, or None when there is none or its file is damaged."""
        try:
            content = json.loads(self.path(name).read_text(encoding="utf-8"))
            result = content["result"]
            return result if content["checksum"] == digest(result) else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def put(self, name: str, result: dict[str, Any], about: dict[str, Any]) -> None:
        """Keep a cell's result, with what it is about for human readers."""
        content = {"about": about, "checksum": digest(result), "result": result}
        write_text(self.path(name), canonical_json(content) + "\n")
