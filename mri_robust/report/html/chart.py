"""Accuracy over epsilon as lines of an inline SVG, with what stands at each epsilon for hover and keyboard."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

from mri_robust.report.entry import interval_text
from mri_robust.report.figures.accuracy import _curve_lines, _styles
from mri_robust.report.layout import Line, arrange, in_255ths, title
from mri_robust.report.results import View

LINEAR = 0.5
"""Epsilon in 255ths below which the scale is linear; above it is logarithmic."""
LEAST_GAP = 7.0
"""Least distance of two written ticks, in hundredths of the width."""
SIDE = 1000.0
"""Width and height that the lines are drawn in; the page stretches them."""


@dataclass(frozen=True)
class Series:
    """A model's line.

    Attributes:
        name: the model.
        style: number of its colour and marker, the same as in the figures.
        path, band: what SVG draws: the line, and round it the 95 % intervals; empty without intervals.
        marks: (left, top) of each measured point, in hundredths of the plot.
    """

    name: str
    style: int
    path: str
    band: str
    marks: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Stop:
    """One epsilon.

    Attributes:
        name: what it is called in full.
        tick: lines to write below the axis; none where there is no room.
        left: where it stands, in hundredths of the width.
        low, high: from where to where nothing else is nearer.
        values: (number of the series, value with its interval), the greatest first, as the lines lie.
    """

    name: str
    tick: tuple[str, ...]
    left: float
    low: float
    high: float
    values: tuple[tuple[int, str], ...]

    @property
    def inside(self) -> float:
        """Where it stands between `low` and `high`, in hundredths; two rows at one epsilon leave no room between."""
        return round(100 * (self.left - self.low) / (self.high - self.low), 2) if self.high > self.low else 50.0


@dataclass(frozen=True)
class Chart:
    """A chart: its heading, what its x axis counts, its lines and its epsilons."""

    heading: str
    axis: str
    series: tuple[Series, ...]
    stops: tuple[Stop, ...]


def accuracy_chart(view: View) -> Chart | None:
    """Accuracy of every model over the same rows as the figure has; None for experiments not over epsilon.

    Protocol `sound` counts epsilon in 255ths on a scale that is linear near zero; `paper` names the study's rows.
    """
    if view.experiment.layout != "epsilon":
        return None
    grid = arrange(view.table, view.experiment)
    lines = _curve_lines(grid)
    numeric = view.protocol == "sound"
    if numeric:
        lines = sorted(lines, key=lambda line: line.epsilon)
    if len(lines) < 2:
        return None
    places = _spread([math.asinh(line.epsilon * 255 / LINEAR) for line in lines] if numeric else range(len(lines)))
    styles = _styles(grid.models)
    return Chart(
        f"Accuracy over ε, protocol {view.protocol}",
        "ε in 255ths of the pixel range" if numeric else f"the study's row: {', '.join(grid.headers)}",
        tuple(_series(model, styles[model], lines, places) for model in grid.models),
        _stops(lines, places, grid.models, numeric),
    )


def _series(model: str, style: int, lines: list[Line], places: list[float]) -> Series:
    points = [(place, line.entries[model]) for place, line in zip(places, lines, strict=True) if model in line.entries]
    bounded = [(place, entry.low, entry.high) for place, entry in points if entry.low is not None]
    edge = [(place, high) for place, _, high in bounded] + [(place, low) for place, low, _ in reversed(bounded)]
    return Series(
        title(model),
        style,
        _path([(place, entry.value) for place, entry in points]),
        _path([(place, value) for place, value in edge if value is not None]),
        tuple((place, round(100 * (1 - entry.value), 2)) for place, entry in points),
    )


def _stops(lines: list[Line], places: list[float], models: tuple[str, ...], numeric: bool) -> tuple[Stop, ...]:
    middles = [(one + other) / 2 for one, other in pairwise(places)]
    written = _apart(places, lines) if numeric else set(range(len(places)))
    return tuple(
        Stop(
            _name(line, numeric),
            _tick(line, numeric) if index in written else (),
            place,
            low,
            high,
            _values(line, models),
        )
        for index, (line, place, low, high) in enumerate(
            zip(lines, places, [0.0, *middles], [*middles, 100.0], strict=True)
        )
    )


def _values(line: Line, models: tuple[str, ...]) -> tuple[tuple[int, str], ...]:
    found = [(number, line.entries[model]) for number, model in enumerate(models) if model in line.entries]
    found.sort(key=lambda pair: -pair[1].value)
    return tuple((number, interval_text(entry)) for number, entry in found)


def _apart(places: list[float], lines: list[Line]) -> set[int]:
    """Which epsilons have room for a tick: the ends first, then whole numbers, then others."""
    ends = (0, len(places) - 1)
    order = sorted(range(len(places)), key=lambda i: (i not in ends, round(lines[i].epsilon * 255, 3) % 1 != 0, -i))
    kept: set[int] = set()
    for index in order:
        if all(abs(places[index] - places[other]) >= LEAST_GAP for other in kept):
            kept.add(index)
    return kept


def _name(line: Line, numeric: bool) -> str:
    if line.heads[0] == "clean":
        return "clean"
    return f"ε = {in_255ths(line.epsilon)}" if numeric else ", ".join(head for head in line.heads if head)


def _tick(line: Line, numeric: bool) -> tuple[str, ...]:
    if line.heads[0] == "clean" or not numeric:
        return tuple(head for head in line.heads if head)
    return (in_255ths(line.epsilon).removesuffix("/255"),)


def _spread(numbers: range | list[float]) -> list[float]:
    """Rising numbers as hundredths of the width, from the first to the last."""
    first, last = numbers[0], numbers[-1]
    reach = (last - first) or 1
    return [round(100 * (number - first) / reach, 2) for number in numbers]


def _path(points: list[tuple[float, float]]) -> str:
    """An SVG path through (hundredths of the width, value in [0, 1])."""
    if not points:
        return ""
    return "M" + "L".join(f"{place * SIDE / 100:.1f} {(1 - value) * SIDE:.1f}" for place, value in points)
