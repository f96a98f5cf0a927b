"""Accuracy under MRI artefacts over their severity, and beside it natural against adversarial robustness."""

from __future__ import annotations

import math

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mri_robust.report.drawing import COLOURS, FAINT, INK, MARKERS, headline, plain_axes
from mri_robust.report.entry import Entry, entry_of
from mri_robust.report.figures.accuracy import _styles
from mri_robust.report.layout import title
from mri_robust.report.results import View

COLUMNS = 4
USUAL = 4 / 255
"""The epsilon that stands for adversarial robustness."""

Entries = dict[str, Entry]
"""Model -> its accuracy."""


def draw_artefacts(view: View) -> Figure | None:
    """A panel an artefact with a line a model, clean images at severity 0; in the last panel a point a model."""
    rows = view.table[
        (view.table["metric"] == "accuracy") & (view.table["subset"] == "all") & (view.table["class"] == "")
    ]
    levels = rows["condition"].str.extract(r"^severity=(\d{1,3})$")[0].astype("Int64")
    spoilt = rows.assign(level=levels)[levels.notna()]
    if spoilt.empty:
        return None
    clean = _by_model(rows[rows["attack"] == "none"])
    styles = _styles(tuple(dict.fromkeys(spoilt["model"])))
    artefacts = list(dict.fromkeys(spoilt["attack"]))
    lines = math.ceil((len(artefacts) + 1) / COLUMNS)
    figure = Figure(figsize=(11.6, 2.75 * lines + 0.9), dpi=150, layout="constrained", facecolor="white")
    axes = figure.subplots(lines, COLUMNS, sharey=True, squeeze=False)
    for place, name in zip(axes.flat, artefacts, strict=False):
        found = {0: clean} | {
            int(level): _by_model(group) for level, group in spoilt[spoilt["attack"] == name].groupby("level")
        }
        _draw_lines(place, {level: entries for level, entries in found.items() if entries}, styles)
        place.set_title(name.replace("-", " ").capitalize(), fontsize=10, color=INK)
    last, *unused = axes.flat[len(artefacts) :]
    attacked = rows[(rows["attack"] == "pgd") & ((rows["epsilon"] - USUAL).abs() < 1e-6)]
    mean = _by_model(rows[rows["condition"].str.startswith("mean over")])
    _draw_points(last, _by_model(attacked), mean, styles)
    for place in unused:
        place.set_visible(False)
    for place in axes.flat:
        place.tick_params(labelsize=8)
    for place in axes[:, 0]:
        place.set_ylabel("accuracy", fontsize=9)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False, fontsize=9)
    headline(figure, f"{view.experiment.title}: protocol {view.protocol}")
    return figure


def _by_model(rows: pd.DataFrame) -> Entries:
    return {
        str(model): entry
        for model, group in rows.groupby("model", sort=False)
        if (entry := entry_of(group)) is not None
    }


def _draw_lines(axes: Axes, found: dict[int, Entries], styles: dict[str, int]) -> None:
    """Accuracy over the level, with 95 % intervals."""
    for model, style in styles.items():
        points = [(level, entries[model]) for level, entries in sorted(found.items()) if model in entries]
        places = [level for level, _ in points]
        low = [entry.value if entry.low is None else entry.low for _, entry in points]
        high = [entry.value if entry.high is None else entry.high for _, entry in points]
        axes.fill_between(places, low, high, color=COLOURS[style], alpha=0.1, lw=0)
        look = {"color": COLOURS[style], "marker": MARKERS[style], "markersize": 4.5, "linewidth": 1.6}
        axes.plot(places, [entry.value for _, entry in points], label=title(model), **look)  # type: ignore[arg-type]
    axes.set(ylim=(-0.02, 1.02))
    axes.set_xlabel("severity", fontsize=9)
    axes.set_xticks(sorted(found), [str(level or "clean") for level in sorted(found)])
    plain_axes(axes)


def _draw_points(axes: Axes, attacked: Entries, mean: Entries, styles: dict[str, int]) -> None:
    """Mean accuracy over the artefacts against accuracy under PGD, with 95 % intervals; equal on the dotted line."""
    axes.plot([0, 1], [0, 1], color=FAINT, linewidth=1, linestyle=(0, (1, 2)))
    for model, style in styles.items():
        if model in attacked and model in mean:
            x, y = attacked[model], mean[model]
            look = {"color": COLOURS[style], "marker": MARKERS[style], "markersize": 8, "markeredgecolor": "white"}
            bars = {"xerr": _reach(x), "yerr": _reach(y), "elinewidth": 1.2, "zorder": 3}
            axes.errorbar(x.value, y.value, **bars, **look)  # type: ignore[arg-type]
    axes.set(xlim=(-0.02, 1.02))
    axes.set_xlabel("accuracy under PGD, ε = 4/255", fontsize=9)
    axes.set_ylabel("mean over artefacts", fontsize=9)
    axes.set_title("Natural against adversarial", fontsize=10, color=INK, fontweight="bold")
    plain_axes(axes)


def _reach(entry: Entry) -> list[list[float]] | None:
    """How far the interval reaches below and above the value, as matplotlib wants it."""
    if entry.low is None or entry.high is None:
        return None
    return [[max(entry.value - entry.low, 0)], [max(entry.high - entry.value, 0)]]


FIGURE = draw_artefacts
