"""Tables on the terminal."""

from __future__ import annotations

import textwrap
from typing import Any

import pandas as pd
from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table as RichTable
from rich.text import Text

from mri_robust.core.errors import one_line
from mri_robust.report.cells import Table
from mri_robust.report.content import certificate_table
from mri_robust.report.experiment import Description, experiment_tables, prepare

MAIN = ("accuracy", "missed_tumour_rate")
"""Metrics whose tables are printed where each has its own."""
_LOUD = {"FAILED": "red", "WARNING": "yellow", "damaged": "red", "failed": "red", "partial": "yellow"}


def print_experiment(description: Description, table: pd.DataFrame, console: Console) -> None:
    """Print the main numbers of an experiment's tidy rows: measured, with intervals where there is room · study."""
    rows = prepare(table, description)
    found = experiment_tables(description, rows[rows["subset"] == "all"])
    own = [each for each in found if not each.folded and (len(each.metrics) > 1 or each.metrics[0][0] in MAIN)]
    studied = any(cell.study for each in own for row in each.rows for cell in row)
    for place, each in enumerate(own or found[:1]):
        if not place:
            heading = description["title"] + (": measured · study" if studied else "")
            console.print(Text(heading, style="bold"), highlight=False)
        print_table(each, console)


def print_certificate(compared: list[dict[str, Any]], console: Console) -> None:
    """Print a cross-check's comparisons: one row per attack and pair of engines."""
    print_table(certificate_table(compared), console)


def print_table(table: Table, console: Console) -> None:
    """Print a table; intervals are left out where they do not fit."""
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
