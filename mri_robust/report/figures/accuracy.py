"""Accuracy over epsilon, a line a model: Tables 3 and 4 as curves."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mri_robust.report.drawing import COLOURS, MARKERS, plain_axes
from mri_robust.report.layout import TITLES, Grid, Line, arrange, title
from mri_robust.report.results import View


def draw_accuracy(view: View) -> Figure | None:
    """Accuracy over epsilon in pixels, with 95 % intervals; over the study's rows where epsilon alone does not say."""
    if view.experiment.layout != "epsilon":
        return None
    grid = arrange(view.table, view.experiment)
    figure = Figure(figsize=(7.2, 4.4), dpi=150, layout="constrained")
    axes = figure.add_subplot()
    lines = _curve_lines(grid)
    numeric = view.protocol == "sound"
    if numeric:
        lines = sorted(lines, key=lambda line: line.epsilon)
    for model, style in _styles(grid.models).items():
        _draw_model(axes, lines, model, COLOURS[style], MARKERS[style], numeric)
    if numeric:
        axes.set_xscale("symlog", linthresh=0.5, linscale=0.4)
        ticks = _apart([line.epsilon * 255 for line in lines])
        axes.set_xticks(ticks, [f"{tick:.2g}" for tick in ticks], minor=False)
        axes.set_xticks([], minor=True)
        axes.set_xlabel("ε in 255ths of the pixel range")
    else:
        labels = ["\n".join(head for head in line.heads if head) for line in lines]
        axes.set_xticks(range(len(lines)), labels, fontsize=8)
        axes.set_xlabel(f"the study's row: {', '.join(grid.headers)} as printed")
    axes.set(ylim=(-0.02, 1.02), ylabel="accuracy", title=f"{view.experiment.title}: protocol {view.protocol}")
    plain_axes(axes)
    axes.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def _curve_lines(grid: Grid) -> list[Line]:
    """Rows that make one curve: the worst-case ones where there are any, else all."""
    worst = [line for line in grid.lines if line.worst_case and "APGD" not in line.heads[0]]
    return [line for line in grid.lines if line.heads[0] == "clean"] + worst if worst else list(grid.lines)


def _apart(places: list[float]) -> list[float]:
    """Places whose labels do not run into each other; whole numbers stay before others."""
    kept: list[float] = []
    for place in sorted(places, key=lambda place: (round(place, 3) % 1 != 0, -place)):
        if all(abs(place - other) > 0.28 * max(place, other, 0.5) for other in kept):
            kept.append(place)
    return sorted(kept)


def _styles(models: tuple[str, ...]) -> dict[str, int]:
    """Model -> its colour and marker: the same in every figure, and another for each model of this one."""
    count = len(COLOURS)
    taken: dict[str, int] = {}
    for model in models:
        own = (list(TITLES).index(model) if model in TITLES else len(TITLES)) % count
        free = [place % count for place in range(own, own + count) if place % count not in taken.values()]
        taken[model] = free[0] if free else own
    return taken


def _draw_model(axes: Axes, lines: list[Line], model: str, colour: str, marker: str, numeric: bool) -> None:
    points = [
        (line.epsilon * 255 if numeric else position, line.entries[model])
        for position, line in enumerate(lines)
        if model in line.entries
    ]
    places = [place for place, _ in points]
    bounded = [(place, entry.low, entry.high) for place, entry in points if entry.low is not None]
    if bounded:
        at, low, high = zip(*bounded, strict=True)
        axes.fill_between(at, low, high, color=colour, alpha=0.12, lw=0)
    style = {"marker": marker, "markersize": 5, "linewidth": 1.6, "color": colour}
    axes.plot(places, [entry.value for _, entry in points], label=title(model), **style)  # type: ignore[arg-type]


FIGURE = draw_accuracy
