"""What a table is, and its printers for the terminal and for Markdown; the page's is its template."""

import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table as RichTable
from rich.text import Text

from mri_robust.core.errors import one_line
from mri_robust.report.metrics import capitalised

_SPEAKING = ("model", "class", "metric", "the study's row")  # their texts say enough without the heading
_LOUD = {"FAILED": "red", "WARNING": "yellow", "damaged": "red", "failed": "red", "partial": "yellow"}


@dataclass(frozen=True)
class Cell:
    """One field of a table."""

    text: str = ""
    below: str = ""  # a second line: an interval, or how the study prints the row
    study: str = ""  # the study's number, in brackets where it is not comparable
    sort: float | None = None  # what it is sorted by, where that is not the text
    depth: int | None = None  # -4 to 4, the colour of a difference
    link: str = ""  # the section of the page that it leads to

    def line(self, *, below: bool = True) -> str:
        """Everything in one line: `value [interval] · study`."""
        shown = f"{self.text} {self.below}" if below and self.below else self.text
        return f"{shown} · {self.study}" if self.study else shown


@dataclass(frozen=True)
class Table:
    """A table: column headings, and rows of one cell per heading."""

    caption: str
    heads: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    texts: int = 1  # so many columns hold texts, those after them numbers
    note: str = ""  # what a reader must know, below the table
    metrics: tuple[tuple[str, str], ...] = ()  # the (metric, subset of the images) that it shows
    folded: bool = False  # the page shows it on request


def table_of(caption: str, records: Sequence[Mapping[Any, object]], texts: int = 1, note: str = "") -> Table:
    """A table of records, heading -> cell or text, without the columns that say nothing."""
    cells = [{key: each if isinstance(each, Cell) else Cell(str(each)) for key, each in row.items()} for row in records]
    heads = list(dict.fromkeys(key for row in cells for key in row))
    kept = [head for head in heads if _says(row.get(head, Cell()) for row in cells)]
    rows = tuple(tuple(row.get(head, Cell()) for head in kept) for row in cells)
    return Table(caption, tuple(kept), rows, sum(head in kept for head in heads[:texts]), note)


def labelled_table(
    caption: str, heads: Sequence[str], rows: Sequence[tuple[Cell, ...]], texts: int, **more: Any
) -> Table:
    """A table without columns that say nothing; what one of the first `texts` says in every row, the caption says."""
    columns = list(zip(heads, zip(*rows, strict=True), strict=True))
    same = [column for column in columns[:texts] if len({cell.text for cell in column[1]}) == 1]
    if len(same) == texts:  # one must stay: the first that says something
        same.remove(next((column for column in same if column[1][0].text), same[0]))
    kept = [column for column in columns[:texts] if column not in same]
    shared = [(head, cells[0].text) for head, cells in same if cells[0].text]
    said = [words if head in _SPEAKING else f"{head} {words}" for head, words in shared]
    kept_heads, kept_cells = zip(*kept, *(column for column in columns[texts:] if _says(column[1])), strict=True)
    lines = tuple(zip(*kept_cells, strict=True))
    return Table(capitalised(", ".join([caption, *said])), kept_heads, lines, len(kept), **more)


def _says(column: Iterable[Cell]) -> bool:
    """Whether a column holds anything but empty fields and dashes."""
    return any(cell.text not in ("", "–") for cell in column)


def print_table(table: Table, console: Console) -> None:
    """Print a table on the terminal; intervals are left out where they do not fit."""
    drawn = _drawn(table, intervals=True)
    if Measurement.get(console, console.options.update(width=10_000), drawn).maximum > console.width:
        drawn = _drawn(table, intervals=False)
    console.print(drawn, soft_wrap=False)
    if table.note:
        console.print(Text(one_line(table.note), style="dim"), soft_wrap=False)


def _drawn(table: Table, *, intervals: bool) -> RichTable:
    drawn = RichTable(title=Text(one_line(table.caption)), title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    drawn.collapse_padding, drawn.show_header = True, any(map(str.strip, table.heads))
    for place, head in enumerate(table.heads):
        folded = "\n".join(textwrap.wrap(one_line(head), 12, break_long_words=False, break_on_hyphens=False))
        drawn.add_column(Text(folded), justify="left" if place < table.texts else "right", overflow="fold")
    for row in table.rows:
        cells = [cell.line(below=place > 0 and (intervals or cell.below[:1] != "[")) for place, cell in enumerate(row)]
        drawn.add_row(*(Text(one_line(words), style=_LOUD.get(words, "")) for words in cells))
    return drawn


def table_markdown(table: Table) -> str:
    """A table as Markdown, under its caption: `value [interval] · study`."""
    ruler = "|" + "".join("---|" if place < table.texts else "---:|" for place in range(len(table.heads)))
    heads, *rows = (
        "| " + " | ".join(map(plain_markdown, row)) + " |"
        for row in (table.heads, *([cell.line() for cell in row] for row in table.rows))
    )
    parts = [f"**{plain_markdown(table.caption)}**", "\n".join([heads, ruler, *rows]), plain_markdown(table.note)]
    return "\n\n".join(filter(None, parts))


def plain_markdown(text: str) -> str:
    """Any text in one line of Markdown, where it is nothing but text: no emphasis, link, image, code or HTML."""
    line = " ".join(text.split()).replace("\\", "&#92;").replace("<", "&lt;").replace("`", "'").replace("|", "\\|")
    return re.sub(r"([*!]|\](?=[(\[:])|\b_\B|\B_\b)", r"\\\1", line)
