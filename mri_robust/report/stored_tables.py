"""A results folder on the terminal: its cells, its models, and what they come to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import groupby
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.filesize import decimal
from rich.table import Table
from rich.text import Text

from mri_robust.data.layout import shown
from mri_robust.report.cleaning import Removable, removable
from mri_robust.report.stored import Entry, Stored, shortest_digests
from mri_robust.report.stored_files import StoredCell, StoredModel

STYLES = {"ok": "green", "whole": "green", "partial": "yellow", "failed": "red", "damaged": "red"}
_WIDE = 110
"""Columns from which there is room for a cell's label."""


def print_stored(stored: Stored, console: Console) -> None:
    """Print the tables of cells and models and the totals; they fit into 80 columns, and say more in 110."""
    for table in (_cell_table(stored, wide=console.width >= _WIDE), _model_table(stored), _totals(stored)):
        if table.row_count:
            console.print(table, soft_wrap=False)


def print_removable(files: list[Removable], folder: Path, console: Console) -> None:
    """Print what would be deleted, the reasons together, and how much that is."""
    table = new_table("")
    table.add_column("why", no_wrap=True)
    table.add_column("file", overflow="fold")
    table.add_column("size", justify="right", no_wrap=True)
    above = ""
    for each in sorted(files, key=lambda each: each.reason):
        why = each.reason if each.reason != above else ""
        table.add_row(why, Text(shown(each.path.relative_to(folder))), decimal(each.bytes))
        above = each.reason
    table.columns[1].footer, table.columns[2].footer = count_text(len(files), "file"), decimal(_bytes(files))
    table.show_footer = True
    console.print(table, soft_wrap=False)


def new_table(title: str) -> Table:
    """An empty table in the style of all."""
    heading = Text(title) if title else None
    return Table(title=heading, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)


def fact_table(facts: Iterable[tuple[str, str | Text]]) -> Table:
    """Names and values, a line each."""
    table = Table(box=None, show_header=False, padding=(0, 1))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, fact in facts:
        table.add_row(Text(shown(name)), fact)
    return table


def count_text(number: int, what: str) -> str:
    """`1 file`, `2 files`."""
    return f"{number} {what}" + ("" if number == 1 else "s")


def seconds_text(seconds: float | None) -> str:
    """`12.5`; nothing where it is not known."""
    return "" if seconds is None else f"{seconds:,.1f}"


def state_text(state: str) -> Text:
    """A state in its colour."""
    return Text(state, style=STYLES[state])


def epochs_text(model: StoredModel) -> str:
    """`3`, or `2 so far` of a training that is not done; nothing for a model that is not trained, or damaged."""
    return f"{model.epochs} so far" if model.state == "partial" else str(model.epochs or "")


def _cell_table(stored: Stored, *, wide: bool) -> Table:
    """A row a cell under a row an experiment and protocol; a seed that all share stands in the title."""
    seeds = {shown(cell.about["seed"]) for cell in stored.cells if "seed" in cell.about}
    table = new_table("Cells" + (f" (seed {min(seeds)})" if len(seeds) == 1 else ""))
    table.add_column("digest", no_wrap=True)
    table.add_column("model", overflow="fold", min_width=18)
    if wide:
        table.add_column("label", overflow="fold")
    if len(seeds) > 1:
        table.add_column("seed", justify="right", no_wrap=True)
    for head in ("state", "seconds", "numbers", "size", "used"):
        table.add_column(head, justify="left" if head in ("state", "used") else "right", no_wrap=True)
    short = shortest_digests(stored.cells)
    for (experiment, protocol), cells in groupby(stored.cells, _group):
        table.add_row("", Text(shown(f"{experiment} {protocol}".strip() or "unknown"), style="bold"))
        for cell in cells:
            label = [Text(_label(cell), style="dim")] if wide else []
            seed = [Text(shown(cell.about.get("seed", "")))] if len(seeds) > 1 else []
            table.add_row(
                Text(short[cell.digest], style="cyan"),
                *(Text(shown(cell.about.get("model", ""))), *label, *seed, state_text(cell.state)),
                *(seconds_text(cell.seconds), str(cell.numbers or ""), decimal(cell.bytes), _used_text(stored, cell)),
            )
        table.add_section()
    return table


def _label(cell: StoredCell) -> str:
    label, part = shown(cell.about.get("label", "")), cell.about.get("part")
    images = f"images {shown(part[0])} to {shown(part[1])}" if isinstance(part, list) and len(part) == 2 else ""
    return ", ".join(text for text in (label, images) if text)


def _group(cell: StoredCell) -> tuple[str, str]:
    return str(cell.about.get("experiment", "")), str(cell.about.get("protocol", ""))


def _model_table(stored: Stored) -> Table:
    table = new_table("Models")
    table.add_column("name", overflow="fold")
    for head in ("state", "epochs", "seconds", "size", "used"):
        table.add_column(head, justify="left" if head in ("state", "used") else "right", no_wrap=True)
    for model in stored.models:
        table.add_row(
            Text(shown(model.name)),
            state_text(model.state),
            epochs_text(model),
            seconds_text(model.seconds),
            decimal(model.bytes),
            _used_text(stored, model),
        )
    return table


def _totals(stored: Stored) -> Table:
    facts: list[tuple[str, str | Text]] = []
    for name, entries in (("cells", stored.cells), ("models", stored.models)):
        if entries:
            states = Counter(entry.state for entry in entries)
            counts = ", ".join(f"{count} {state}" for state, count in states.items())
            used = sum(1 for entry in entries if stored.uses(entry))
            tail = f"; {used} used by the last run" if stored.used is not None else ""
            facts.append((name, f"{len(entries)}: {counts}; {decimal(_bytes(entries))}{tail}"))
    facts.append(("last run", _run_text(stored)))
    if stored.missing:
        facts.append(("gone", f"{count_text(len(stored.missing), 'cell')} of the last run: run it again to have them"))
    facts.append(("to clean", _clean_text(stored)))
    return fact_table(facts)


def _run_text(stored: Stored) -> Text:
    if stored.run is None:
        return Text("run.json is damaged" if stored.run_state == "damaged" else "none has finished")
    return Text(shown(stored.run.get("command", "run.json names no command")))


def _clean_text(stored: Stored) -> str:
    plain = removable(stored)
    text = f"{count_text(len(plain), 'file')}, {decimal(_bytes(plain))}" if plain else "nothing"
    if stored.used is None:
        return text
    more = [each for each in removable(stored, unused=True) if each.reason.startswith("unused")]
    return text + (f"; with --unused {len(more)} more, {decimal(_bytes(more))}" if more else "")


def _used_text(stored: Stored, entry: Entry) -> str:
    return {True: "yes", False: "no", None: ""}[stored.uses(entry)]


def _bytes(files: Iterable[Any]) -> int:
    return sum(each.bytes for each in files)
