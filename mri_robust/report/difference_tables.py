"""What differs between two runs, on the terminal and as plain data."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from mri_robust.data.layout import shown
from mri_robust.report.differences import Difference, Differences, Joined
from mri_robust.report.number_words import number_words
from mri_robust.report.stored_tables import count_text, new_table
from mri_robust.report.tidy_rows import Row


def print_differences(found: Differences, console: Console, *, top: int) -> None:
    """Print how many numbers differ in each experiment, the `top` that differ most, and the runs' facts."""
    console.print(_counts(found.experiments), soft_wrap=False)
    largest = found.largest
    if largest[:top]:
        console.print(_numbers(largest[:top], len(largest)), soft_wrap=False)
    if found.facts:
        console.print(_facts(found), soft_wrap=False)
    for sentence in found.damaged:
        console.print(Text(f"damaged: {shown(sentence)}", style="red"))
    console.print(Text(verdict(found), style="bold"), soft_wrap=False)


def verdict(found: Differences) -> str:
    """One sentence: how many numbers are equal, and what is not."""
    equal, differ, only_a, only_b = (
        sum(column) for column in zip((0, 0, 0, 0), *map(_row, found.experiments), strict=True)
    )
    if found.same:
        return f"all {equal} numbers are equal"
    parts = [f"{equal} numbers are equal, {differ} differ, {only_a} are only in A, {only_b} only in B"]
    if found.damaged:
        parts.append(f"{count_text(len(found.damaged), 'file')} could not be compared")
    apart = disjoint_columns(found)
    if apart:
        parts.append(f"none is in both, for the runs differ in {', '.join(apart)} (see --ignore)")
    return "; ".join(parts)


def disjoint_columns(found: Differences) -> list[str]:
    """Columns in which no number of A agrees with one of B, where no number is in both."""
    rows_a = [row for joined in found.experiments for row in joined.only_a]
    rows_b = [row for joined in found.experiments for row in joined.only_b]
    if not rows_a or not rows_b or any(joined.equal or joined.differ for joined in found.experiments):
        return []
    return [column for column in rows_a[0] if not {row[column] for row in rows_a} & {row[column] for row in rows_b}]


def plain_differences(found: Differences) -> dict[str, Any]:
    """All of it for machines, the numbers that differ by the size of the difference."""
    return {
        "same": found.same,
        "experiments": [
            {"experiment": each.experiment, "equal": each.equal, "differ": len(each.differ)}
            | {"only_a": list(each.only_a), "only_b": list(each.only_b)}
            for each in found.experiments
        ],
        "numbers": [{**asdict(each), "difference": each.difference} for each in found.largest],
        "facts": [{"fact": name, "a": a, "b": b} for name, a, b in found.facts],
        "damaged": list(found.damaged),
    }


def _counts(experiments: tuple[Joined, ...]) -> Table:
    table = new_table("Numbers")
    heads = ("equal", "differ", "only in A", "only in B")
    totals = [sum(column) for column in zip(*map(_row, experiments), strict=True)] or [0] * len(heads)
    table.show_footer = len(experiments) > 1
    table.add_column("experiment", footer="all", overflow="fold")
    for head, total in zip(heads, totals, strict=True):
        table.add_column(head, footer=str(total), justify="right", no_wrap=True)
    for each in experiments:
        equal, *others = _row(each)
        loud = [Text(str(count), style="yellow" if count else "dim") for count in others]
        table.add_row(Text(shown(each.experiment)), str(equal), *loud)
    return table


def _row(each: Joined) -> tuple[int, int, int, int]:
    return each.equal, len(each.differ), len(each.only_a), len(each.only_b)


def _numbers(largest: list[Difference], whole: int) -> Table:
    """A line a number; what all lines share stands in the title."""
    rows = [each.words for each in largest]
    shared = _shared(rows)
    rest = {column: text for column, text in rows[0].items() if column in shared}
    common = number_words({**rest, "metric": ""}, [] if "attack" in shared else ["attack", "epsilon", "alpha", "steps"])
    which = f"The {len(largest)} largest of {whole} differences" if whole > len(largest) else "All differences"
    table = new_table(shown(f"{which} ({common})" if common else which))
    table.add_column("number", overflow="fold")
    for head in ("A", "B", "B − A"):
        table.add_column(head, justify="right", no_wrap=True)
    counted = any(each.n_a != each.n_b for each in largest)
    if counted:
        table.add_column("images", justify="right", no_wrap=True)
    for each in largest:
        images = [f"{each.n_a or '–'} → {each.n_b or '–'}" if each.n_a != each.n_b else each.n_a] if counted else []
        table.add_row(
            Text(shown(number_words(each.words, shared))),
            *(_value(each.a), _value(each.b), _signed(each.difference)),
            *(Text(shown(text)) for text in images),
        )
    return table


def _shared(rows: list[Row]) -> list[str]:
    """Columns that are the same in every row; those of an attack only together, the metric never."""
    attack = ("attack", "epsilon", "alpha", "steps")
    same = [
        column for column in rows[0] if column not in ("class", "metric") and len({row[column] for row in rows}) == 1
    ]
    together = all(column in same for column in attack if column in rows[0])
    return [column for column in same if column not in attack or together]


def _facts(found: Differences) -> Table:
    table = new_table("Facts of the runs that differ")
    for head in ("", "A", "B"):
        table.add_column(head, overflow="fold")
    for name, a, b in found.facts:
        table.add_row(Text(shown(name), style="dim"), Text(shown(a) or "–"), Text(shown(b) or "–"))
    return table


def _value(value: float | None) -> str:
    return "–" if value is None else f"{value:.6g}"


def _signed(difference: float | None) -> str:
    return "–" if difference is None else f"{difference:+.2g}"
