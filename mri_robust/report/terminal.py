"""The tables on the terminal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from mri_robust.report.layout import TITLES, arrange
from mri_robust.report.markdown import difference_text, entry_text
from mri_robust.report.results import open_results


def print_tables(folder: Path, console: Console) -> None:
    """Print the accuracy table of every experiment and protocol of a run: measured · study."""
    results = open_results(folder)
    for experiment in results.experiments:
        for protocol in results.protocols(experiment.name):
            table = results.tables[experiment.name]
            grid = arrange(table[table["protocol"] == protocol], experiment)
            title = f"{experiment.title}, protocol {protocol}: measured · study"
            shown = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
            for header in grid.headers:
                shown.add_column(header, overflow="fold")
            for model in grid.models:
                shown.add_column(TITLES.get(model, model), justify="right", overflow="fold")
            for line in grid.lines:
                shown.add_row(*line.heads, *(entry_text(line.entries.get(model)) for model in grid.models))
            console.print(shown)


def print_certificate(comparisons: list[dict[str, Any]], console: Console) -> None:
    """Print a cross-check's comparisons: one row an attack and pair of engines.

    `largest` is the largest pixel difference, `flips` counts images that only one of the two fools.
    """
    title = "Cross-check: the same attack by two engines, on every image"
    shown = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
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
