"""The rows of a tidy table as they stand in its CSV, text by column."""

from __future__ import annotations

import csv
import math
from pathlib import Path

from mri_robust.report.any_content import is_file

MEASURED = ("value", "ci_low", "ci_high", "n", "paper")
"""Columns that do not tell which number a row holds."""
_NEEDED = {"experiment", "model", "metric", "value", "n"}

Row = dict[str, str]


def read_rows(path: Path) -> list[Row]:
    """Read a tidy table.

    Raises:
        ValueError: the file is missing or no such table; the message says why, in a few words.
    """
    if not is_file(path):
        raise ValueError("is missing")
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file, restkey="", restval="\0", strict=True)
            if not set(reader.fieldnames or ()) >= _NEEDED:
                raise ValueError("is no tidy table")
            rows = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ValueError("cannot be read") from error
    for line, row in enumerate(rows, start=2):
        if "" in row or "\0" in row.values():
            raise ValueError(f"has a row of another length (row {line})")
        number_of(row, "value", line)
    return rows


def number_of(row: Row, column: str, line: int = 0) -> float | None:
    """A column's number; None where it is empty.

    Raises:
        ValueError: it is no finite number.
    """
    text = row.get(column, "")
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f"has no number in {column} (row {line})")
    return value
