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

    `paper` is the study's number where the row is the study's: overall accuracy on all images.
    """
    rows = []
    for cell, result in measured:
        for line, rates in zip(cell.lines, result["rows"], strict=True):
            for rate in rates:
                row = {**cell.words, **line, **rate}
                if (row["metric"], row["subset"], row["class"]) != ("accuracy", "all", ""):
                    row["paper"] = None
                rows.append(row)
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    return table.astype({"steps": "Int64", "seed": "Int64", "n": "Int64"})


def csv_text(table: pd.DataFrame) -> str:
    """The table as CSV with numbers in their shortest exact form."""
    return table.to_csv(index=False, lineterminator="\n")
