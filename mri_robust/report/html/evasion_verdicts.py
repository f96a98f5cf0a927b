"""What invisible changes of an image do: accuracy lost, the best defence, tumours missed."""

from __future__ import annotations

from mri_robust.report.entry import Entry
from mri_robust.report.html.verdict import Mark, Verdict, epsilon_text, percent, percent_text, points
from mri_robust.report.layout import Grid, Line, arrange, in_255ths, title
from mri_robust.report.results import Results
from mri_robust.study.experiment import Experiment

USUAL = 4
"""The epsilon, in 255ths, that the field asks for first."""


def evasion_verdicts(results: Results) -> list[Verdict]:
    """Accuracy at the smallest epsilon and at 4/255, of the study's model and of the best defence; missed tumours.

    Read off the worst case where an experiment has one. Nothing where no experiment over epsilon was run soundly.
    """
    found = [(each, _grid(results, each)) for each in results.experiments if each.layout == "epsilon"]
    found = [(experiment, grid) for experiment, grid in found if _invisible(grid)]
    if not found:
        return []
    experiment, grid = next((pair for pair in found if any(line.worst_case for line in pair[1].lines)), found[0])
    model = next((name for name in experiment.columns if name in grid.models), grid.models[0])
    missed = _grid(results, experiment, "missed_tumour_rate")
    verdicts = [
        _verdict(results, experiment, grid, model, "accuracy"),
        _best_defence(results, experiment, grid, model),
        _verdict(results, experiment, missed, model, "missed_tumour_rate"),
    ]
    return [verdict for verdict in verdicts if verdict]


TOPICS = {
    "accuracy": ("Accuracy under invisible changes", "{model} is right on {clean} of clean images"),
    "missed_tumour_rate": ("Missed tumours", "{model} calls {clean} of tumours healthy without an attack"),
}
"""Metric -> its topic, and how its sentence begins."""


def _verdict(results: Results, experiment: Experiment, grid: Grid, model: str, metric: str) -> Verdict | None:
    marks = _marks(grid, model)
    if len(marks) < 2:
        return None
    clean, *attacked = marks
    topic, beginning = TOPICS[metric]
    under = " and ".join(f"{percent_text(mark.entry)} at {epsilon_text(mark.label)}" for mark in attacked)
    attack = f"{'worst-case ' if any(line.worst_case for line in grid.lines) else ''}{experiment.name.upper()}"
    start = beginning.format(model=title(model), clean=percent_text(clean.entry))
    return Verdict(
        topic,
        f"{start}; under {attack} that becomes {under}.",
        experiment.name,
        experiment.reference,
        marks,
        _shift(results, experiment, model, metric),
    )


def _best_defence(results: Results, experiment: Experiment, grid: Grid, undefended: str) -> Verdict | None:
    """The model that keeps most at the largest of the epsilons that the verdicts name."""
    line = list(_invisible(grid).values())[-1]
    others = {model: entry for model, entry in line.entries.items() if model != undefended}
    if not others:
        return None
    best = max(others, key=lambda model: others[model].value)
    marks = _marks(grid, best)
    clean = f", from {percent_text(marks[0].entry)} on clean ones" if marks[0].label == "clean" else ""
    return Verdict(
        "The best defence tried",
        f"{title(best)} keeps most: it is right on {percent_text(others[best])} of images at "
        f"{epsilon_text(in_255ths(line.epsilon))}{clean}.",
        experiment.name,
        experiment.reference,
        marks,
        _shift(results, experiment, best, "accuracy"),
    )


def _marks(grid: Grid, model: str) -> tuple[Mark, ...]:
    """A model's rate on clean images, at the smallest epsilon and at 4/255."""
    lines = [("clean", line) for line in grid.lines if line.heads[0] == "clean"]
    lines += [(in_255ths(line.epsilon), line) for line in _invisible(grid).values()]
    return tuple(Mark(label, line.entries[model]) for label, line in lines if model in line.entries)


def _invisible(grid: Grid) -> dict[int, Line]:
    """The rows at the smallest whole epsilon in 255ths and at 4/255, or the largest below; the strongest attack's."""
    rows = {round(line.epsilon * 255): line for line in grid.lines if _whole(line)}
    if not rows:
        return {}
    smallest = min(rows)
    usual = max((size for size in rows if size <= USUAL), default=smallest)
    return {size: rows[size] for size in sorted({smallest, usual})}


def _whole(line: Line) -> bool:
    size = line.epsilon * 255
    return round(size) >= 1 and abs(size - round(size)) < 1e-6


def _grid(results: Results, experiment: Experiment, metric: str = "accuracy", protocol: str = "sound") -> Grid:
    table = results.tables[experiment.name]
    return arrange(table[table["protocol"] == protocol], experiment, metric=metric)


def _shift(results: Results, experiment: Experiment, model: str, metric: str) -> str:
    """How far the study's rows, measured its way, lie from the same rows measured soundly."""
    rows: list[dict[tuple[str, ...], Entry]] = [
        {line.heads: line.entries[model] for line in grid.lines if model in line.entries and line.heads[0] != "clean"}
        for grid in (_grid(results, experiment, metric, protocol) for protocol in ("paper", "sound"))
    ]
    paper, sound = rows
    gaps = {heads: paper[heads].value - sound[heads].value for heads in paper if heads in sound}
    if not gaps:
        return ""
    mean = sum(gaps.values()) / len(gaps)
    heads = max(gaps, key=lambda each: abs(gaps[each]))
    where = ", ".join(f"{name} {head}" for name, head in zip(experiment.headers, heads, strict=True))
    return (
        f"The study's faults move its own rows ({len(gaps)}) {points(mean)} {'down' if mean < 0 else 'up'} on average, "
        f"most at {where}: {percent(paper[heads].value)} its way, {percent(sound[heads].value)} soundly."
    )
