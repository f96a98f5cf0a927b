"""The study's numbers beside ours, as tables: one way for each layout of an experiment."""

from __future__ import annotations

from dataclasses import dataclass

from mri_robust.report.by_condition import HEADINGS
from mri_robust.report.conditions import row_name
from mri_robust.report.entry import interval_text, measured_text, study_text
from mri_robust.report.layout import title
from mri_robust.report.side_by_side import Comparison
from mri_robust.study.experiment import Experiment


@dataclass(frozen=True)
class TextTable:
    """A table in plain text.

    Attributes:
        heading: what it is of; empty for a table that stands for the whole experiment.
        heads: column headings, the first `texts` of them over texts, the others over numbers.
        lines: rows.
        texts: how many columns hold text.
    """

    heading: str
    heads: list[str]
    lines: list[list[str]]
    texts: int


def comparison_tables(comparisons: list[Comparison], experiment: Experiment) -> list[TextTable]:
    """Lay out one experiment's comparisons; no table where the study printed no number.

    `classes`: a table a model and row of the study, a line a class. `epsilon`: a line a row of the study, a column
    a model. `conditions`: a line a number.
    """
    if not comparisons:
        return []
    if experiment.layout == "classes":
        tables: dict[tuple[str, str], list[Comparison]] = {}
        for each in comparisons:
            tables.setdefault((each.model, each.printed), []).append(each)
        return [_class_table(each, experiment) for each in tables.values()]
    return [(_model_table if experiment.layout == "epsilon" else _number_table)(comparisons, experiment)]


def triple_text(comparison: Comparison | None) -> str:
    """`study · paper · sound [interval]`; the study's number in brackets where it is not comparable."""
    if comparison is None:
        return ""
    study = study_text(comparison.study, comparison.comparable)
    return f"{study} · {measured_text(comparison.paper)} · {interval_text(comparison.sound)}"


def metric_name(metric: str) -> str:
    """A metric in words."""
    return HEADINGS.get((metric, "all"), metric.replace("_", " "))


def study_row(printed: str, experiment: Experiment) -> str:
    """The study's row in words; nothing for a row that only repeats the experiment's name."""
    return "" if printed == experiment.name else row_name(printed, experiment.headers)


def _class_table(comparisons: list[Comparison], experiment: Experiment) -> TextTable:
    """Lines are classes, then overall numbers, which stand in the first column as the study prints them."""
    present = dict.fromkeys(each.metric for each in comparisons if each.label)
    metrics = [metric for metric, subset in HEADINGS if subset == "all" and metric in present]
    metrics += [metric for metric in present if metric not in metrics]
    labels = dict.fromkeys(each.label for each in comparisons if each.label)
    found = {(each.label, each.metric): each for each in comparisons}
    lines = [[label, *(triple_text(found.get((label, metric))) for metric in metrics)] for label in labels]
    for each in comparisons:
        if not each.label:
            lines.append([metric_name(each.metric), triple_text(each), *[""] * (len(metrics) - 1)])
    first = comparisons[0]
    heading = ": ".join(part for part in (title(first.model), study_row(first.printed, experiment)) if part)
    return TextTable(heading, ["class", *(metric_name(metric) for metric in metrics or ["accuracy"])], lines, 1)


def _model_table(comparisons: list[Comparison], experiment: Experiment) -> TextTable:
    models = [model for model in experiment.columns if any(each.model == model for each in comparisons)]
    models += dict.fromkeys(each.model for each in comparisons if each.model not in models)
    found = {(each.printed, each.model): each for each in comparisons}
    rows = dict.fromkeys(each.printed for each in comparisons)
    lines = [[study_row(row, experiment), *(triple_text(found.get((row, model))) for model in models)] for row in rows]
    return TextTable("", ["the study's row", *map(title, models)], lines, 1)


def _number_table(comparisons: list[Comparison], experiment: Experiment) -> TextTable:
    """Columns that would say the same in every line are left out."""
    names = [
        (title(each.model), study_row(each.printed, experiment), each.label, metric_name(each.metric))
        for each in comparisons
    ]
    shown = [index for index in range(4) if index < 2 or len({name[index] for name in names}) > 1]
    lines = [
        [
            *(name[index] for index in shown),
            study_text(each.study, each.comparable),
            measured_text(each.paper),
            "–" if each.difference is None else f"{each.difference:+.3f}",
            interval_text(each.sound),
        ]
        for name, each in zip(names, comparisons, strict=True)
    ]
    heads = [("model", "the study's row", "class", "metric")[index] for index in shown]
    return TextTable("", [*heads, "study", "paper", "difference", "sound"], lines, len(shown))
