"""The tables on the terminal."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

import pandas as pd
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from mri_robust.report.by_condition import by_condition
from mri_robust.report.entry import difference_text, entry_text
from mri_robust.report.labels import shared_parts
from mri_robust.report.layout import arrange, title
from mri_robust.report.results import open_results
from mri_robust.study.experiment import Experiment


def print_tables(folder: Path, console: Console) -> None:
    """Print a table of overall numbers for every experiment and protocol of a run: measured · study."""
    results = open_results(folder)
    for experiment in results.experiments:
        for protocol in results.protocols(experiment.name):
            table = results.tables[experiment.name]
            rows = table[table["protocol"] == protocol]
            shown, shared = _by_epsilon(rows, experiment) if experiment.layout == "epsilon" else _by_condition(rows)
            if shown.row_count:
                heading = f"{experiment.title}, protocol {protocol}: measured · study"
                console.print(
                    escape(heading + (f" (all: {', '.join(shared)})" if shared else "")),
                    style="italic",
                    highlight=False,
                )
                console.print(shown)


def _by_epsilon(rows: pd.DataFrame, experiment: Experiment) -> tuple[Table, list[str]]:
    """Accuracy as the study lays it out: a row an attack, a column a model."""
    shown = _table()
    grid = arrange(rows, experiment)
    for header in grid.headers:
        shown.add_column(header, overflow="fold")
    for model in grid.models:
        shown.add_column(escape(title(model)), justify="right", overflow="fold")
    for line in grid.lines:
        shown.add_row(*line.heads, *(entry_text(line.entries.get(model)) for model in grid.models))
    return shown, []


def _by_condition(rows: pd.DataFrame) -> tuple[Table, list[str]]:
    """Overall metrics, a row a model and condition, and what all conditions share."""
    shown = _table()
    table = by_condition(rows[rows["subset"] != "training"])
    shown.add_column("model", overflow="fold")
    shown.add_column("condition", overflow="fold", min_width=16)
    for heading in table.headings:
        narrow = "\n".join(textwrap.wrap(heading, 7, break_long_words=False, break_on_hyphens=False))
        shown.add_column(narrow, justify="right", overflow="fold")
    shared = shared_parts([line.condition for line in table.lines]) if len(table.lines) > 1 else []
    above = ""
    for line in table.lines:
        own = ", ".join(part for part in line.condition.split(", ") if part not in shared)
        name = title(line.model) if line.model != above else ""
        shown.add_row(escape(name), escape(own), *table.texts(line, entry_text))
        above = line.model
    return shown, shared


def _table() -> Table:
    return Table(
        title_justify="left", caption_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True
    )


def print_certificate(comparisons: list[dict[str, Any]], console: Console) -> None:
    """Print a cross-check's comparisons: one row an attack and pair of engines.

    `largest` is the largest pixel difference, `flips` counts images that only one of the two fools.
    """
    heading = "Cross-check: the same attack by two engines, on every image"
    shown = _table()
    shown.title = heading
    for header in ("attack", "engines", "equal bits", "largest", "flips", "bound", ""):
        shown.add_column(header, justify="left" if header in ("attack", "engines") else "right", overflow="fold")
    for row in comparisons:
        shown.add_row(
            row["attack"],
            f"{row['engine']} {row['other']}",
            f"{row['bit_identical']:.1%}",
            difference_text(row["max_difference"]),
            str(row["success_differs"]),
            f"{row['bound']:g}",
            "[green]passed[/]" if row["passed"] else "[red]FAILED[/]",
        )
    console.print(shown)
