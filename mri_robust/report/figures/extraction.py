"""Fidelity of copies of a model over the queries asked, and what changes it."""

from __future__ import annotations

import re
from collections import Counter

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mri_robust.report.conditions import in_words, without
from mri_robust.report.drawing import COLOURS, INK, MARKERS, headline, plain_axes
from mri_robust.report.entry import Entry, entry_of
from mri_robust.report.layout import title
from mri_robust.report.results import View

FIDELITY = (-0.02, 1.02)
BUDGET = re.compile(r"(?:^|;)budget=([1-9]\d{0,8})(?:;|$)")

Theft = tuple[str, str]
"""(condition without its budget, budget as text; empty where no query was asked)."""


def draw_extraction(view: View) -> Figure | None:
    """A panel a model with a curve a kind of query, and beside them the thefts that were done at one budget alone."""
    table = view.table[(view.table["metric"] == "fidelity") & (view.table["subset"] == "all")]
    if table.empty:
        return None
    models = {str(name): _entries(rows) for name, rows in table.groupby("model", sort=False)}
    figure = Figure(figsize=(3.2 * len(models) + 4.2, 4.4), dpi=150, layout="constrained", facecolor="white")
    *panels, last = figure.subplots(1, len(models) + 1)
    for axes, (name, entries) in zip(panels, models.items(), strict=True):
        _curves(axes, entries)
        axes.set_title(title(name), fontsize=10, color=INK)
    panels[0].set_ylabel("fidelity: copy and model agree")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower left", ncols=len(labels), frameon=False, fontsize=8)
    _dots(last, models)
    headline(figure, f"{view.experiment.title}: protocol {view.protocol}")
    return figure


def _entries(rows: pd.DataFrame) -> dict[Theft, Entry]:
    found: dict[Theft, Entry] = {}
    for condition, same in rows.groupby("condition", sort=False):
        asked, entry = BUDGET.search(str(condition)), entry_of(same)
        if entry:
            found[(without(str(condition), "budget"), asked[1]) if asked else (str(condition), "")] = entry
    return found


def _varied(entries: dict[Theft, Entry]) -> list[Theft]:
    """Thefts at one budget alone, after those of a curve that they vary."""
    counts = Counter(condition for condition, _ in entries)
    once = [theft for theft in entries if counts[theft[0]] == 1]
    base = [
        (condition, budget)
        for condition, budget in entries
        if counts[condition] > 1 and any(other.startswith(condition) and budget == at for other, at in once)
    ]
    return base + once


def _curves(axes: Axes, entries: dict[Theft, Entry]) -> None:
    counts = Counter(condition for condition, _ in entries)
    for index, kind in enumerate(condition for condition, count in counts.items() if count > 1):
        points = [(int(budget), entry) for (condition, budget), entry in entries.items() if condition == kind]
        at, colour = [budget for budget, _ in points], COLOURS[index % len(COLOURS)]
        low, high = zip(*(_bounds(entry) for _, entry in points), strict=True)
        axes.fill_between(at, low, high, color=colour, alpha=0.12, lw=0)
        style = {"marker": MARKERS[index % len(MARKERS)], "markersize": 5, "linewidth": 1.6, "color": colour}
        axes.plot(at, [entry.value for _, entry in points], label=in_words(kind), **style)  # type: ignore[arg-type]
    axes.set_xscale("log")
    ticks = sorted({int(budget) for _, budget in entries if budget})
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    axes.set_xticks([], minor=True)
    axes.set(ylim=FIDELITY, xlabel="queries")
    plain_axes(axes)


def _dots(axes: Axes, models: dict[str, dict[Theft, Entry]]) -> None:
    """A row a theft, a dot a model with its interval."""
    thefts = _varied(next(iter(models.values())))
    for index, (name, entries) in enumerate(models.items()):
        shift = 0.22 * (index - (len(models) - 1) / 2)
        found = [(place + shift, entries[theft]) for place, theft in enumerate(thefts) if theft in entries]
        values = np.array([entry.value for _, entry in found])
        bounds = np.array([_bounds(entry) for _, entry in found]).reshape(-1, 2)
        errors = np.abs(bounds.T - values)
        style = {"color": INK, "fmt": MARKERS[index % len(MARKERS)], "markersize": 5, "elinewidth": 1}
        axes.errorbar(values, [at for at, _ in found], xerr=errors, label=title(name), **style)  # type: ignore[arg-type]
    axes.set_yticks(range(len(thefts)), [_name(*theft) for theft in thefts], fontsize=8)
    axes.set(xlim=FIDELITY, ylim=(max(len(thefts), 1) - 0.5, -0.5), xlabel="fidelity")
    plain_axes(axes)
    axes.legend(frameon=False, fontsize=8, loc="lower right", bbox_to_anchor=(1, 1), ncols=len(models))


def _bounds(entry: Entry) -> tuple[float, float]:
    """The interval; the value alone where it has none."""
    return (entry.value, entry.value) if entry.low is None or entry.high is None else (entry.low, entry.high)


def _name(condition: str, budget: str) -> str:
    return in_words(without(condition, "queries")) + (f", {budget}" if budget else "")


FIGURE = draw_extraction
