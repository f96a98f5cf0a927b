"""Of predictions confusion matrices and ROC curves; of attacks and defences copies, detectors, pruning."""

import math
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from sklearn.metrics import ConfusionMatrixDisplay

from mri_robust.report.figures import style
from mri_robust.report.figures.style import COLOURS, FAINT, INK, RATE, View, factors, given, named, over_seeds, words

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
    display = ConfusionMatrixDisplay(shares, display_labels=[style.shortened(name, 14) for name in entry["classes"]])
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
    models = style.looks(row["model"] for row, _ in stored)
    curves = [(row, each) for row, few in stored for each in few]
    names = list(dict.fromkeys(curve["name"] for _, curve in curves))
    figure = Figure((6.2, max(3.7, 0.42 * (len(curves) + 1))))
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


def draw_extraction(view: View) -> Figure | None:
    """A panel per model with a curve per kind of query; last the thefts at one number of queries alone."""
    if given(rows := view.numbers("fidelity"), "budget").empty:
        return None
    kinds = ["model", *factors(rows, "model", "budget")]
    found = over_seeds(rows, [*kinds, "budget"]).assign(label="")
    asked = found.groupby(kinds, dropna=False)["budget"].transform("nunique")
    curves, pair = found[asked > 1], [name for name in ("queries", "budget") if name in found]
    curves = curves.assign(panel=named(curves, ["model"]), label=named(curves, factors(curves, "model", "budget")))
    # Where others vary a curve's point, it stands among them.
    varied = curves.reset_index().merge(found[asked == 1][pair].drop_duplicates(), on=pair)["index"]
    thefts = found[(asked <= 1) | found.index.isin(varied)]
    told = dict.fromkeys([*factors(given(thefts, "budget"), "model", "budget"), "thief", "budget"])
    thefts = thefts.assign(name=named(thefts, list(told), 44), label=thefts["model"])
    said = ("queries", "fidelity: copy and model agree")
    looks = style.looks(curves["label"])
    figure, every = style.draw_panels(curves, "budget", looks, across=9, further=1, says=said)
    *panels, last = every
    for axes in panels:
        ticks = sorted(curves["budget"].unique())
        axes.set_xscale("log")
        axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axes.set_xticks([], minor=True)
    last.set_visible(len(thefts) > 0)
    if len(thefts):
        style.draw_dots(last, thefts, list(thefts["name"].unique()), style.looks(thefts["model"]))
        last.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=9, frameon=False)
    last.set_xlabel("fidelity")
    figure.set_size_inches(3.0 * len(panels) + 5.0, 4.4)
    style.legend(figure, panels, "outside lower left")
    return figure


def draw_detectors(view: View) -> Figure | None:
    """A panel per poisoning: recall against false-positive rate of each detector; a good one has them far apart."""
    if (rows := given(view.numbers("recall", "fpr"), "detector")).empty:
        return None
    own = [name for name in ("detector", "rule", "set") if name in rows]
    poisons = ["model", *factors(rows, "model", "attack", *own)]
    found = over_seeds(rows, [*poisons, *own, "metric"])
    found = found.assign(name=named(found, own, 44), label=named(found, ["metric"]))
    panels, names = list(found.groupby(named(found, poisons, 24), sort=False)), list(found["name"].unique())
    figure = Figure((2.9 + 1.9 * len(panels), 1.4 + 0.3 * len(names)))
    grid = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for axes, (title, panel) in zip(grid, panels, strict=True):
        style.draw_dots(axes, panel, names, style.looks(found["label"]))
        axes.set(title=title, xlabel="rate")
    style.legend(figure, grid, "outside lower right")
    return figure


def draw_limits(view: View) -> Figure | None:
    """A panel per detector, a curve per contrast: how much of a square it sees by the square's size."""
    if (rows := given(view.numbers("recall"), "side")).empty:
        return None
    rows = rows.assign(panel=named(rows, ["model"]), label=named(rows, ["contrast"]))
    said = ("side of the square in pixels", "recall")
    figure, panels = style.draw_panels(rows, "side", style.looks(rows["label"]), across=5, says=said)
    style.legend(figure, panels, "outside lower right", columns=2)
    return figure


def draw_pruning(view: View) -> Figure | None:
    """A panel per poisoning. Where the backdoor goes before the accuracy does, pruning helps."""
    if (rows := given(view.numbers("accuracy", "asr", subset="drawn"), "channels")).empty:
        return None
    poisons = ["model", *factors(rows, "model", "attack", "channels", "chosen", "repair")]
    rows = rows.assign(panel=named(rows, poisons), label=named(rows, ["metric"]))
    said = ("channels pruned", "rate")
    figure, panels = style.draw_panels(rows, "channels", style.looks(rows["label"]), across=5, says=said)
    chosen = rows[rows["chosen"].astype(str) == "True"]
    for axes, title in zip(panels, rows["panel"].unique(), strict=True):
        for stop in chosen["channels"][chosen["panel"] == title].unique():
            axes.axvline(stop, color=FAINT, linestyle=":", label="fine-pruning stops")
    style.legend(figure, panels, "outside lower right")
    return figure
