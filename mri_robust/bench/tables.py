"""The tidy table of an experiment: one number a row."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pandas as pd

from mri_robust.study.cell import Cell

COLUMNS = (
    *("experiment", "protocol", "dataset", "scale", "seed", "model", "weights", "attack", "engine"),
    *("epsilon", "alpha", "steps", "condition", "subset", "class", "metric"),
    *("value", "ci_low", "ci_high", "n", "paper"),
)
"""What decides a number, where it was counted, and the number beside the study's."""


def tidy_table(measured: Iterable[tuple[Cell, dict[str, Any]]]) -> pd.DataFrame:
    """Join each cell's words with its numbers; `epsilon` and `alpha` are in pixels of [0, 1].

    `paper` is the study's number where it prints one for all test images: a line's `paper` holds them by metric.
    """
    rows = []
    for cell, result in measured:
        for line, rates in zip(cell.lines, result["rows"], strict=True):
            for rate in rates:
                name = "/".join(part for part in (rate["class"], rate["metric"]) if part)
                number = line["paper"].get(name) if rate["subset"] == "all" else None
                rows.append({**cell.words, **line, **rate, "paper": number})
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    return table.astype({"steps": "Int64", "seed": "Int64", "n": "Int64"})


def csv_text(table: pd.DataFrame) -> str:
    """The table as CSV with numbers in their shortest exact form."""
    return table.to_csv(index=False, lineterminator="\n")
