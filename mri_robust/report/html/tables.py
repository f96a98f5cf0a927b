"""The numbers of an experiment as tables of the page: beside the study's, and each protocol's own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from mri_robust.report.by_condition import DIGITS, by_condition
from mri_robust.report.comparison_tables import metric_name, study_row
from mri_robust.report.entry import Entry, measured_text, study_text
from mri_robust.report.layout import arrange, title
from mri_robust.report.paired import paired_lines
from mri_robust.report.section import MEANINGS
from mri_robust.report.side_by_side import Comparison
from mri_robust.study.experiment import Experiment

STEPS = (0.005, 0.02, 0.05, 0.1, 0.2)
"""Sizes of a difference at which its colour deepens; under the first it counts as none."""


@dataclass(frozen=True)
class Field:
    """One field of a table.

    Attributes:
        text: what it says.
        below: a second line in small type: an interval.
        sort: what it is sorted by; None comes last.
        depth: of a difference, -4 to 4: its colour; None for other fields.
    """

    text: str
    below: str = ""
    sort: float | str | None = None
    depth: int | None = None


@dataclass(frozen=True)
class Table:
    """A table of the page.

    Attributes:
        caption: what it is of.
        heads: column headings, the first `texts` of them over texts, the others over numbers.
        lines: rows of fields, a field a heading.
        texts: how many columns hold text.
        note: what a reader must know, below the table.
    """

    caption: str
    heads: tuple[str, ...]
    lines: tuple[tuple[Field, ...], ...]
    texts: int
    note: str = ""


def comparison_table(comparisons: list[Comparison], experiment: Experiment) -> Table | None:
    """A line a number of the study, with ours under both protocols; None where the study printed none.

    What all lines share (the model, the class) stands in the caption.
    """
    if not comparisons:
        return None
    names = [
        (title(each.model), study_row(each.printed, experiment), each.label or "all classes", metric_name(each.metric))
        for each in comparisons
    ]
    varying = [index for index in range(4) if len({name[index] for name in names}) > 1] or [0]
    shared = [name for index, name in enumerate(names[0]) if index not in varying and name not in ("", "all classes")]
    lines = tuple(
        (*(text(name[index]) for index in varying), *_numbers(each))
        for name, each in zip(names, comparisons, strict=True)
    )
    heads = [("model", "the study's row", "class", "metric")[index] for index in varying]
    return Table(
        ", ".join(["The study beside ours", *shared]),
        (*heads, "study", "paper", "paper − study", "sound", "sound − paper"),
        lines,
        len(varying),
    )


def _numbers(each: Comparison) -> tuple[Field, ...]:
    changed = each.sound.value - each.paper.value if each.sound and each.paper else None
    return (
        Field(study_text(each.study, each.comparable), sort=each.study),
        measured(each.paper),
        difference(each.difference if each.comparable else None),
        measured(each.sound),
        difference(changed),
    )


def protocol_tables(rows: pd.DataFrame, experiment: Experiment) -> list[Table]:
    """The tables of one protocol's rows: over epsilon a table a metric, else all overall metrics in one."""
    if experiment.layout != "epsilon":
        return _condition_tables(rows)
    tables = []
    for metric, subset, caption in (
        ("accuracy", "all", "Accuracy"),
        ("accuracy", "leak-free", "Accuracy on the test images without a twin in training"),
        ("missed_tumour_rate", "all", "Missed tumours: share of tumour images called healthy"),
    ):
        grid = arrange(rows, experiment, metric=metric, subset=subset)
        if grid.lines:
            lines = tuple(
                (
                    Field(line.heads[0], sort=line.epsilon),
                    *map(text, line.heads[1:]),
                    *(measured(line.entries.get(model)) for model in grid.models),
                )
                for line in grid.lines
            )
            tables.append(Table(caption, (*grid.headers, *map(title, grid.models)), lines, len(grid.headers)))
    return tables


def _condition_tables(rows: pd.DataFrame) -> list[Table]:
    table = by_condition(rows)
    if not table.lines:
        return []
    lines = tuple(
        (
            Field(line.condition or title(line.model), sort=line.condition),
            text(title(line.model)),
            *(measured(line.entries.get(column), DIGITS.get(column[0], 3), missing="") for column in table.columns),
        )
        for line in table.lines
    )
    note = " ".join(MEANINGS[metric] for metric, _ in table.columns if metric in MEANINGS)
    return [Table("All conditions", ("condition", "model", *table.headings), lines, 2, note)]


def paired_table(folder: Path, experiment: str, protocol: str) -> Table | None:
    """A line a pair of models on the same images at 4/255; None where the run compared none."""
    heads, lines = paired_lines(folder, experiment, protocol)
    if not lines:
        return None
    note = (
        "The first model's accuracy less the second's, with the 95 % interval of the paired bootstrap; images that "
        "just one of them gets right, and McNemar's exact test. Every pair and epsilon stands in comparisons.csv."
    )
    fields = tuple((*map(text, line[:3]), *map(_counted, line[3:])) for line in lines)
    return Table("Pairs of models on the same images at 4/255", tuple(heads), fields, 3, note)


def _counted(words: str) -> Field:
    """A number in words, its interval in a second line."""
    number, _, bounds = words.partition(" ")
    return Field(number, bounds, float(number))


def text(words: str) -> Field:
    """A field of text."""
    return Field(words, sort=words)


def measured(entry: Entry | None, digits: int = 3, *, missing: str = "–") -> Field:
    """A measured value over its 95 % interval; `missing` where there is none."""
    if entry is None:
        return Field(missing)
    bounds = "" if entry.low is None else f"{entry.low:.{digits}f} – {entry.high:.{digits}f}"
    return Field(measured_text(entry, digits), bounds, entry.value)


def difference(value: float | None) -> Field:
    """A difference with its sign; its depth says how large it is."""
    if value is None:
        return Field("–")
    depth = sum(abs(value) >= step for step in STEPS[1:]) if abs(value) >= STEPS[0] else 0
    sign = -1 if value < 0 else 1
    return Field(f"{value:+.3f}".replace("-", "−"), sort=value, depth=sign * depth)
