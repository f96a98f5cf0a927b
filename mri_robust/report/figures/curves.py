"""Accuracy over the epochs of training: Figures 5 and 6."""

from __future__ import annotations

import textwrap

from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from mri_robust.report.drawing import (
    COLOURS,
    FAINT,
    INK,
    MARKERS,
    headline,
    levelled,
    plain_axes,
    shortened,
    spread_out,
)
from mri_robust.report.labels import short_labels
from mri_robust.report.results import View
from mri_robust.report.sweeps import Curve, Sweep, gather_sweeps, read_curves

TOGETHER = 4
"""Most curves whose test and training lines share one pair of axes."""
KINDS = {"test": ("accuracy on the test images", "-"), "training": ("accuracy on the training batches", "--")}
"""What a line shows -> its heading and its style."""
GAP = 0.062
"""Least distance of two labels of one line, in accuracy."""
ACCURACY = (-0.02, 1.02)


def draw_training(view: View) -> Figure | None:
    """A line a training. Few share one pair of axes; more have one for each kind of accuracy and one for its last
    value, which tells lines apart that lie on each other."""
    curves = [curve for curve in read_curves(view.cells) if curve.test or curve.training]
    if not curves:
        return None
    sweeps = gather_sweeps(curves)
    together = len(sweeps) == 1 and not sweeps[0].word and len(curves) <= TOGETHER
    figure = _one_panel(curves) if together else _panels(sweeps)
    headline(figure, f"{view.experiment.title}: protocol {view.protocol}")
    return figure


def _one_panel(curves: list[Curve]) -> Figure:
    figure = Figure(figsize=(7.2, 4.2), dpi=150, layout="constrained", facecolor="white")
    axes = figure.add_subplot()
    kinds = _kinds(curves)
    names, colours = short_labels([curve.label for curve in curves]), _categories(len(curves))
    for kind in kinds:
        _lines(axes, curves, kind, colours)
    _labels(axes, curves, kinds[0], [textwrap.fill(shortened(name, 60), 30) for name in names], colours)
    axes.set_ylabel("accuracy")
    _key(figure, kinds, filled=False)
    return figure


def _panels(sweeps: list[Sweep]) -> Figure:
    """A row a sweep; columns: test, training, last epoch."""
    kinds = _kinds([curve for sweep in sweeps for curve in sweep.curves])
    heights = [3.1 if sweep.word else max(3.1, 0.27 * len(sweep.curves) + 0.8) for sweep in sweeps]
    columns = len(kinds) + 1
    labelled = 0 if all(sweep.word for sweep in sweeps) else 2.6
    size = (3.6 * columns + labelled, sum(heights) + 0.8)
    figure = Figure(figsize=size, dpi=150, layout="constrained", facecolor="white")
    figure.get_layout_engine().set(wspace=0.04, hspace=0.06)  # type: ignore[union-attr,call-arg]
    grid = figure.subplots(len(sweeps), columns, squeeze=False, height_ratios=heights)
    for row, sweep in zip(grid, sweeps, strict=True):
        colours = _shades(len(sweep.curves)) if sweep.word else _categories(len(sweep.curves))
        for axes, kind in zip(row, kinds, strict=False):
            _lines(axes, list(sweep.curves), kind, colours)
            if sweep.word:
                _labels(axes, list(sweep.curves), kind, [f"{number:g}" for number in sweep.numbers], colours)
        (_last_over_number if sweep.word else _last_by_name)(row[-1], sweep, kinds, colours)
        lines = f"lines: {sweep.word}" if sweep.word else ""
        row[0].set_ylabel("\n".join(shortened(part, 44) for part in (sweep.title, lines) if part) or "accuracy")
    for axes, heading in zip(grid[0], [*(KINDS[kind][0] for kind in kinds), "after the last epoch"], strict=True):
        axes.set_title(heading, fontsize=10, color=INK)
    _key(figure, kinds, filled=True)
    return figure


def _lines(axes: Axes, curves: list[Curve], kind: str, colours: list[str]) -> None:
    for index, (curve, colour) in enumerate(zip(curves, colours, strict=True)):
        values = getattr(curve, kind)
        (line,) = axes.plot(range(1, len(values) + 1), values, color=colour, linewidth=1.5, markersize=4)
        line.set(linestyle=KINDS[kind][1], marker=_marker(index))
    epochs = max(len(values) for curve in curves for values in (curve.training, curve.test))
    axes.set(ylim=ACCURACY, xlim=(0.85, max(epochs, 2) + 0.15), xlabel="epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
    plain_axes(axes)


def _labels(axes: Axes, curves: list[Curve], kind: str, names: list[str], colours: list[str]) -> None:
    """Write each name at the end of its line, apart from the others, with a thin line between the two."""
    ended = [
        (len(values), values[-1], name, colour)
        for curve, name, colour in zip(curves, names, colours, strict=True)
        if (values := getattr(curve, kind))
    ]
    gap = GAP * (1 + max((name.count("\n") for _, _, name, _ in ended), default=0))
    ends = levelled([value for _, value, _, _ in ended], gap / 2)
    heights = spread_out(ends[::-1], gap, 0.0, 1.0)[::-1]  # of lines that end alike the first stands on top
    for (epoch, value, name, colour), height in zip(ended, heights, strict=True):
        axes.annotate(
            name,
            xy=(epoch, value),
            xytext=(1.05, height),
            textcoords=axes.get_yaxis_transform(),
            va="center",
            fontsize=8,
            color=colour,
            arrowprops={"arrowstyle": "-", "color": colour, "lw": 0.5, "shrinkA": 1, "shrinkB": 3, "relpos": (0, 0.5)},
            annotation_clip=False,
        )


def _last_over_number(axes: Axes, sweep: Sweep, kinds: list[str], colours: list[str]) -> None:
    """Accuracy after the last epoch over the number that the sweep counts up."""
    for kind in reversed(kinds):
        ends = [(number, getattr(curve, kind)) for number, curve in zip(sweep.numbers, sweep.curves, strict=True)]
        ended = [(number, values[-1]) for number, values in ends if values]
        axes.plot(*zip(*ended, strict=True), color=FAINT, linewidth=1, linestyle=KINDS[kind][1], zorder=1)
    for number, curve, colour in zip(sweep.numbers, sweep.curves, colours, strict=True):
        for kind in kinds:
            if values := getattr(curve, kind):
                _dot(axes, number, values[-1], kind, colour, "o")
    axes.set(ylim=ACCURACY, xlabel=shortened(sweep.word, 40))
    axes.set_xticks(sweep.numbers, [f"{number:g}" for number in sweep.numbers])
    plain_axes(axes)


def _last_by_name(axes: Axes, sweep: Sweep, kinds: list[str], colours: list[str]) -> None:
    """Accuracy after the last epoch, a line a curve: its name is also the key to the other axes."""
    names = short_labels([curve.label for curve in sweep.curves])
    places = range(len(names))
    for place, curve, colour in zip(places, sweep.curves, colours, strict=True):
        for kind in kinds:
            if values := getattr(curve, kind):
                _dot(axes, values[-1], place, kind, colour, _marker(place))
    axes.set(xlim=ACCURACY, ylim=(len(names) - 0.4, -0.6), xlabel="accuracy")
    plain_axes(axes)
    axes.yaxis.tick_right()
    axes.spines["left"].set_visible(False)
    texts = [textwrap.fill(shortened(name, 84), 42) for name in names]
    axes.set_yticks(places, texts, fontsize=8)
    axes.tick_params(axis="y", length=0)
    for label, colour in zip(axes.get_yticklabels(), colours, strict=True):
        label.set_color(colour)


def _dot(axes: Axes, x: float, y: float, kind: str, colour: str, marker: str) -> None:
    """Test accuracy: a filled dot; training accuracy: a ring round it."""
    size, face = (26, colour) if kind == "test" else (80, "none")
    axes.scatter([x], [y], s=size, facecolors=face, edgecolors=colour, linewidths=1.3, marker=marker, zorder=2)


def _key(figure: Figure, kinds: list[str], *, filled: bool) -> None:
    """What solid and dashed lines are; `filled`: and what dots and rings are."""
    keys = []
    for kind in kinds:
        key = Line2D([], [], color=INK, label=KINDS[kind][0])
        key.set(linestyle=KINDS[kind][1])
        if filled:
            key.set(marker="o", markersize=5 if kind == "test" else 8)
            key.set_markerfacecolor(INK if kind == "test" else "white")
        keys.append(key)
    figure.legend(handles=keys, loc="outside lower center", ncols=2, frameon=False, fontsize=8, handlelength=3.5)


def _kinds(curves: list[Curve]) -> list[str]:
    return [kind for kind in KINDS if any(getattr(curve, kind) for curve in curves)]


def _marker(index: int) -> str:
    return MARKERS[(index + index // len(MARKERS)) % len(MARKERS)]


def _categories(count: int) -> list[str]:
    return [COLOURS[index % len(COLOURS)] for index in range(count)]


def _shades(count: int) -> list[str]:
    """Colours from dark to light, which grey print and colour-blind readers also see in order."""
    scale = colormaps["viridis"]
    return [to_hex(scale(0.86 * index / max(count - 1, 1))) for index in range(count)]


FIGURE = draw_training
