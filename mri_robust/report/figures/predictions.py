"""Confusion matrices, and receiver operating characteristics with the points of chosen thresholds."""

import math
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from sklearn.metrics import ConfusionMatrixDisplay

from mri_robust.report.figures.style import COLOURS, FAINT, INK, RATE, View, looks, shortened, words

MOST, COLUMNS = 12, 4  # panels: most of a figure, which says how many are left out, and most beside each other
DASHES = ("-", "--", "-.", ":")


def draw_confusion(view: View) -> Figure | None:
    """A panel per matrix: counts in its fields, whose colours are shares of the true class."""
    stored, told = view.artefacts("confusion")
    if not stored:
        return None
    entries = [(row, each) for row, few in stored for each in few]
    panels = [(words(row, told, each["name"].replace("=", " "), width=26), each) for row, each in entries]
    shown, classes = panels[:MOST], {tuple(each["classes"]) for _, each in panels}
    across = len(stored[0][1]) if {len(few) for _, few in stored} in ({2}, {3}) else min(COLUMNS, len(shown))
    down, side = math.ceil(len(shown) / across), max(0.5 * max(map(len, classes)), 1.7)
    head = 0.45 + 0.15 * max(text.count("\n") for text, _ in shown)
    figure = Figure((max(across * (side + 0.4) + 0.9, 3.6), down * (side + head) + 1.9))
    grid = figure.subplots(down, across, squeeze=False)
    for place, axes in enumerate(grid.flat):
        axes.set_visible(place < len(shown))
        if place < len(shown):
            _draw_matrix(axes, *shown[place])
        if len(classes) == 1:
            axes.tick_params(labelleft=place % across == 0, labelbottom=place + across >= len(shown))
    more = f"\n{len(panels) - MOST} more are left out" if len(panels) > MOST else ""
    figure.supxlabel(f"columns: predicted class, rows: true class\ncolour: share of the true class{more}", fontsize=8)
    return figure


def _draw_matrix(axes: Axes, text: str, entry: dict[str, Any]) -> None:
    counts = np.array(entry["counts"])
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    display = ConfusionMatrixDisplay(shares, display_labels=[shortened(name, 14) for name in entry["classes"]])
    axes.grid(False)
    display.plot(ax=axes, cmap="Blues", colorbar=False, im_kw={"vmin": 0, "vmax": 1}, text_kw={"fontsize": 8})
    for place, number in np.ndenumerate(display.text_):
        number.set(text=counts[place], color="white" if shares[place] > 0.55 else INK if counts[place] else FAINT)
    axes.set(xlabel="", ylabel="")
    axes.set_title(text, fontsize=8.5)
    axes.tick_params(length=0)
    for label in axes.get_xticklabels():
        label.set(rotation=35, ha="right", rotation_mode="anchor")
    axes.spines[:].set_visible(False)


def draw_roc(view: View) -> Figure | None:
    """True-positive over false-positive rate; a colour per model, or per curve of one model; dotted: a random guess."""
    stored, told = view.artefacts("roc")
    if not stored:
        return None
    models = looks(row["model"] for row, _ in stored)
    curves = [(row, each) for row, few in stored for each in few]
    names = list(dict.fromkeys(curve["name"] for _, curve in curves))
    figure = Figure((6.2, 3.7))
    axes = figure.add_subplot()
    axes.plot([0, 1], [0, 1], color=FAINT, linewidth=1, linestyle=":")
    for number, (row, curve) in enumerate(curves):
        colour, dash = COLOURS[number % len(COLOURS)], DASHES[number // len(COLOURS) % len(DASHES)]
        if len(models) > 1:
            colour, dash = models[row["model"]][0], DASHES[names.index(curve["name"]) % len(DASHES)]
        label = words(row, told, curve["name"]) or words(row, ["model"])
        axes.plot(curve["fpr"], curve["tpr"], dash, color=colour, label=f"{label}\nAUC {curve['auc']:.3f}")
        if curve.get("point"):
            axes.plot(*curve["point"], "o", color=colour, markersize=8, markeredgecolor=INK, zorder=5, clip_on=False)
    handles, _ = axes.get_legend_handles_labels()
    if any(curve.get("point") for _, curve in curves):
        mark = {"marker": "o", "markersize": 8, "linestyle": "", "markeredgecolor": INK, "color": "white"}
        handles.append(Line2D([], [], label="chosen threshold", **mark))  # type: ignore[arg-type]
    axes.set(xlim=RATE, ylim=RATE, xlabel="false-positive rate", ylabel="true-positive rate", aspect="equal")
    axes.legend(handles=handles, labelspacing=0.9, loc="center left", bbox_to_anchor=(1.02, 0.5), frameon=False)
    return figure
