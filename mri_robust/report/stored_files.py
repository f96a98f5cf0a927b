"""One file of a results folder, read as far as it goes: a cell, a failure, a model; what is corrupt is damaged."""

from __future__ import annotations

import json
import re
import struct
from dataclasses import dataclass, field, replace
from pathlib import Path

from mri_robust.core.hashing import digest
from mri_robust.report.any_content import (
    CORRUPT,
    Content,
    as_mapping,
    as_number,
    is_file,
    read_object,
    size_of,
    too_deep,
)

_CELL = re.compile(r"(?P<digest>[0-9a-f]{16})\.(?P<rest>json|failed\.json|part-\d+\.json|.*damaged)")
_MODEL = re.compile(r"(?P<name>.+-[0-9a-f]{16})\.(?P<rest>safetensors|partial\.safetensors|.*damaged)")
_MOST_HEADER = 100_000_000
"""Bytes; safetensors refuses a longer header."""


@dataclass(frozen=True)
class StoredCell:
    """A file in `cells/`.

    Attributes:
        path: where it lies.
        digest: names the cell.
        state: `ok`, `failed`, `partial` (some images of a measurement that is not done) or `damaged`.
        bytes: size of the file.
        about: the cell's words, `model_file` and `seconds`, as far as the file says.
        result: what was measured, where the cell is ok.
        error, traceback: of a failure.
    """

    path: Path
    digest: str
    state: str
    bytes: int
    about: Content = field(default_factory=dict)
    result: Content = field(default_factory=dict, repr=False)
    error: str = ""
    traceback: str = field(default="", repr=False)

    @property
    def rows(self) -> list[list[Content]]:
        """One list a line of the tidy table's words, one entry a number; none where the cell is not ok."""
        return list(self.result.get("rows", []))

    @property
    def numbers(self) -> int:
        """How many numbers it puts into the tidy table."""
        return sum(map(len, self.rows))

    @property
    def seconds(self) -> float | None:
        """How long measuring took, where it is known."""
        return as_number(self.about.get("seconds"))


@dataclass(frozen=True)
class StoredModel:
    """A file in `models/`.

    Attributes:
        path: where it lies.
        name: `<model id>-<digest>`.
        state: `whole`, `partial` (a training that goes on from here) or `damaged`.
        bytes: size of the file.
        notes: what its header says: `recipe`, `history`, `data_digest`, `environment`, ...; of a training, `training`.
    """

    path: Path
    name: str
    state: str
    bytes: int
    notes: Content = field(default_factory=dict, repr=False)

    @property
    def digest(self) -> str:
        """The hexadecimal end of its name."""
        return self.name.rpartition("-")[2]

    @property
    def recipe(self) -> Content:
        """How it is made."""
        return as_mapping(self.notes.get("recipe"))

    @property
    def history(self) -> list[Content]:
        """The record of its training, one entry an epoch."""
        history = self.notes.get("history") or _unpacked_record(self.notes.get("training"))
        return [entry for entry in history if isinstance(entry, dict)] if isinstance(history, list) else []

    @property
    def epochs(self) -> int:
        """Epochs that are done."""
        return len(self.history)

    @property
    def seconds(self) -> float | None:
        """How long its epochs took, where they say."""
        taken = [as_number(entry.get("seconds")) for entry in self.history]
        known = [each for each in taken if each is not None]
        return sum(known) if known else None


def read_cell(path: Path) -> StoredCell | None:
    """The cell or failure at `path`; None where it is named like neither."""
    named = _CELL.fullmatch(path.name)
    if not named or not is_file(path):
        return None
    content = read_object(path) or {}
    about, result = as_mapping(content.get("about")), as_mapping(content.get("result"))
    found = StoredCell(path, named["digest"], "damaged", size_of(path), about)
    if named["rest"] == "failed.json" and isinstance(content.get("error"), str):
        traceback = str(content.get("traceback", ""))
        return replace(found, state="failed", error=content["error"], traceback=traceback)
    if not _sealed(content):
        return found
    if named["rest"].startswith("part-") and "part" in result:
        return replace(found, state="partial")
    return replace(found, state="ok", result=result) if named["rest"] == "json" and _has_rows(result) else found


def read_model(path: Path) -> StoredModel | None:
    """The model or training at `path`, by its header alone; None where it is named like neither."""
    named = _MODEL.fullmatch(path.name)
    if not named or not is_file(path):
        return None
    notes = None if named["rest"].endswith("damaged") else _read_header(path)
    state = "damaged" if notes is None else "partial" if named["rest"].startswith("partial") else "whole"
    return StoredModel(path, named["name"], state, size_of(path), notes or {})


def _has_rows(result: Content) -> bool:
    rows = result.get("rows")
    return isinstance(rows, list) and all(
        isinstance(line, list) and all(isinstance(rate, dict) for rate in line) for line in rows
    )


def _sealed(content: Content) -> bool:
    """Whether a cell's checksum is that of its words and result; of its result alone in files of version 0.1.0."""
    try:
        return content["checksum"] in (digest([content["about"], content["result"]]), digest(content["result"]))
    except CORRUPT:
        return False


def _unpacked_record(training: object) -> list[Content]:
    """The record so far in a training's state, whose mappings are lists of pairs under `mapping`."""
    try:
        history = dict(training["mapping"])["history"]  # type: ignore[index]
        return [dict(entry["mapping"]) for entry in history]
    except CORRUPT:
        return []


def _read_header(path: Path) -> Content | None:
    """The notes in a safetensors header; None where the file is not whole."""
    try:
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            if length > _MOST_HEADER:
                return None
            header = json.loads(file.read(length))
        tensors = [entry for name, entry in header.items() if name != "__metadata__"]
        end = max((entry["data_offsets"][1] for entry in tensors), default=0)
        notes = json.loads(header["__metadata__"]["mri_robust"])
        whole = isinstance(notes, dict) and not too_deep(notes) and 8 + length + end == size_of(path)
        return notes if whole else None
    except CORRUPT:
        return None
