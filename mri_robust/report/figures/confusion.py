"""Confusion matrices: which class is taken for which."""

from __future__ import annotations

import math
import textwrap
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mri_robust.report.conditions import in_words
from mri_robust.report.drawing import FAINT, INK, headline, shortened
from mri_robust.report.layout import title
from mri_robust.report.results import View

MOST = 12
"""Most panels of one figure; what is left out is said below them."""
COLUMNS = 4
WIDTH = 28
"""Characters of a line of a panel's title."""


@dataclass(frozen=True)
class Panel:
    """One matrix.

    Attributes:
        title: model, and below it what it was tested on.
        classes: class names.
        counts: images, int [classes, classes]: a row a true class, a column a predicted one.
    """

    title: str
    classes: tuple[str, ...]
    counts: np.ndarray

    @property
    def shares(self) -> np.ndarray:
        """Share of each true class, float [classes, classes]; a class without images is all zeros."""
        totals = self.counts.sum(1, keepdims=True)
        return self.counts / np.maximum(totals, 1)


def confusion_panels(cells: list[dict[str, Any]]) -> list[Panel]:
    """A panel for each matrix in the cells, in their order."""
    panels = []
    for cell in cells:
        about = cell["about"]
        for entry in cell["result"].get("confusion") or []:
            words = [about.get("label", ""), in_words(entry["name"])]
            below = ", ".join(dict.fromkeys(word for word in words if word))
            name = f"{shortened(title(about['model']), WIDTH)}\n{textwrap.fill(shortened(below, 2 * WIDTH), WIDTH)}"
            panels.append(Panel(name, tuple(entry["classes"]), np.array(entry["counts"], dtype=int)))
    return panels


def draw_confusion(view: View) -> Figure | None:
    """Counts in every field; its colour is the share of the true class."""
    panels = confusion_panels(view.cells)
    if not panels:
        return None
    shown = panels[:MOST]
    columns = min(_columns(view.cells), len(shown))
    rows = math.ceil(len(shown) / columns)
    side = max(0.5 * max(len(panel.classes) for panel in shown), 1.7)
    head = 0.17 * max(panel.title.count("\n") + 1 for panel in shown) + 0.2
    size = (max(columns * (side + 0.3) + 0.9, 3.6), rows * (side + head) + 1.5)
    figure = Figure(figsize=size, dpi=150, layout="constrained", facecolor="white")
    axes = figure.subplots(rows, columns, squeeze=False)
    for index, place in enumerate(axes.flat):
        if index < len(shown):
            row = shown[index - index % columns : index]
            column = shown[index + columns :: columns]
            _draw_panel(place, shown[index], _unnamed(shown[index], row), _unnamed(shown[index], column))
        else:
            place.set_visible(False)
    headline(figure, f"{view.experiment.title}: protocol {view.protocol}")
    left_out = len(panels) - len(shown)
    more = f"\n{left_out} more in the stored cells" if left_out else ""
    figure.supxlabel(f"columns: predicted class, rows: true class\ncolour: share of the true class{more}", fontsize=8)
    return figure


def _columns(cells: list[dict[str, Any]]) -> int:
    """One row of panels a cell where every cell has the same few matrices; else rows of `COLUMNS`."""
    counts = {len(cell["result"].get("confusion") or []) for cell in cells} - {0}
    return counts.pop() if len(counts) == 1 and 1 < min(counts) <= COLUMNS else COLUMNS


def _unnamed(panel: Panel, others: list[Panel]) -> bool:
    """Whether the panels that would repeat this one's class names have the same ones."""
    return any(other.classes == panel.classes for other in others)


def _draw_panel(axes: Axes, panel: Panel, bare_rows: bool, bare_columns: bool) -> None:
    shares = panel.shares
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(panel.counts):
        colour = "white" if shares[row, column] > 0.55 else INK if count else FAINT
        axes.text(column, row, f"{count}", ha="center", va="center", fontsize=8, color=colour)
    names = [shortened(name, 12) for name in panel.classes]
    blank = [""] * len(names)
    axes.set_yticks(range(len(names)), blank if bare_rows else names, fontsize=7.5)
    axes.set_xticks(range(len(names)), blank if bare_columns else names, fontsize=7.5)
    for label in axes.get_xticklabels():
        label.set(rotation=35, ha="right", rotation_mode="anchor")
    axes.tick_params(length=0)
    axes.set_title(panel.title, fontsize=8.5, color=INK)
    edges = np.arange(len(names) - 1) + 0.5
    axes.hlines(edges, -0.5, len(names) - 0.5, color="white", linewidth=1)
    axes.vlines(edges, -0.5, len(names) - 0.5, color="white", linewidth=1)
    axes.spines[:].set_visible(False)


FIGURE = draw_confusion
