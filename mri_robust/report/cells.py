"""What a table is, and what its cells say; terminal, `report.md` and page only print it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from mri_robust.report.metrics import METRICS, SUBSETS, number

STEPS = (0.005, 0.02, 0.05, 0.1, 0.2)
"""Sizes of a difference at which its colour deepens; under the first it counts as none."""
SPEAKING = ("model", "class", "metric", "the study's row")  # their texts say enough without the heading


@dataclass(frozen=True)
class Cell:
    """One field of a table.

    Attributes:
        text, below: what it says, and in a second line its interval, or how the study prints the row.
        study: the study's number for the same; in brackets where it is not comparable.
        sort: what it is sorted by, where that is not its text.
        depth: of a difference, -4 to 4: its colour; None for other fields.
        link: the section of the page that it leads to.
    """

    text: str
    below: str = ""
    study: str = ""
    sort: float | None = None
    depth: int | None = None
    link: str = ""

    def line(self, *, below: bool = True) -> str:
        """Everything in one line: `value [interval] · study`."""
        return (
            self.text + (f" {self.below}" if below and self.below else "") + (f" · {self.study}" if self.study else "")
        )


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        caption, note: what it is of; what a reader must know, below it.
        heads: column headings, the first `texts` of them over texts, the others over numbers.
        rows: one cell per heading.
        metrics: the (metric, subset of the images) that it shows.
        folded: the page shows it on request.
    """

    caption: str
    heads: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    texts: int = 1
    note: str = ""
    metrics: tuple[tuple[str, str], ...] = ()
    folded: bool = False


def table_of(caption: str, records: Sequence[Mapping[Any, object]], texts: int = 1, note: str = "") -> Table:
    """A table of records, heading -> cell or text, without the columns that hold nothing."""
    cells = [{key: each if isinstance(each, Cell) else Cell(str(each)) for key, each in row.items()} for row in records]
    heads = list(dict.fromkeys(key for row in cells for key in row))
    kept = [head for head in heads if any(head in row and row[head].text for row in cells)]
    rows = tuple(tuple(row.get(head, Cell("")) for head in kept) for row in cells)
    return Table(caption, tuple(kept), rows, sum(head in kept for head in heads[:texts]), note)


def labelled_table(
    caption: str, labels: dict[str, list[Cell]], heads: Sequence[str], numbers: Sequence[tuple[Cell, ...]], **more: Any
) -> Table:
    """A table without the label columns that say nothing; what one says in every row stands in the caption.

    Labels are heading -> one cell per row; `heads` and `numbers`, one tuple per row, the other columns.
    """
    kept = {head: cells for head, cells in labels.items() if len({cell.text for cell in cells}) > 1}
    shared = [(head, cells[0].text) for head, cells in labels.items() if head not in kept and cells[0].text]
    if not kept:
        [(head, _), *shared] = shared or [(next(iter(labels)), "")]
        kept = {head: labels[head]}
    said = [words if head in SPEAKING else f"{head} {words}" for head, words in shared]
    rows = tuple((*label, *line) for *label, line in zip(*kept.values(), numbers, strict=True))
    return Table(capitalised(", ".join([caption, *said])), (*kept, *heads), rows, len(kept), **more)


def comparable(weights: str) -> bool:
    """Whether a model of these first weights can be compared with the study's: its ResNets started from ImageNet's."""
    return weights in ("", "imagenet")


def measured_cell(record: Mapping[str, Any] | None, digits: int = 3, missing: str = "–") -> Cell:
    """A measured value over its 95 % interval, `0.912 ± 0.010` over several seeds; `missing` where there is none."""
    if record is None:
        return Cell(missing)
    spread = f" ± {number(record['spread'], digits)}" if pd.notna(record["spread"]) else ""
    bounds = f"[{number(record['low'], digits)}, {number(record['high'], digits)}]" if pd.notna(record["low"]) else ""
    study = study_text(record["study"], comparable(record["weights"])) if pd.notna(record["study"]) else ""
    return Cell(number(record["value"], digits) + spread, bounds, study, record["value"])


def study_text(value: float, compared: bool) -> str:
    """The study's number as it prints it; in brackets where it is not comparable."""
    return f"{value:.2f}" if compared else f"({value:.2f})"


def difference_cell(value: float | None) -> Cell:
    """A difference with its sign; its depth says how large it is."""
    if value is None:
        return Cell("–")
    depth = sum(abs(value) >= step for step in STEPS[1:]) if abs(value) >= STEPS[0] else 0
    return Cell(signed(value), sort=value, depth=-depth if value < 0 else depth)


def signed(value: float) -> str:
    """`+0.025` or `−0.025`."""
    return ("+" if value >= 0 else "") + number(value)


def meanings(tables: Iterable[Table]) -> str:
    """What the metrics in some tables mean, each once."""
    shown = [pair for table in tables for pair in table.metrics]
    said = {each.heading: each.meaning for name, each in METRICS.items() if any(name == pair[0] for pair in shown)}
    said |= {name: meaning for name, meaning in SUBSETS.items() if any(name == pair[1] for pair in shown)}
    words = "; ".join(f"{name}: {meaning}" for name, meaning in said.items() if meaning)
    return capitalised(words) + "." if words else ""


def capitalised(words: str) -> str:
    """With a capital first letter, the others as they are."""
    return words[:1].upper() + words[1:]
