"""Receiver operating characteristics of detectors, their chosen thresholds marked."""

from __future__ import annotations

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from mri_robust.report.conditions import in_words
from mri_robust.report.drawing import COLOURS, FAINT, INK, headline, plain_axes, shortened
from mri_robust.report.layout import title
from mri_robust.report.results import View

STYLES = ("-", "--", "-.", ":")


def draw_roc(view: View) -> Figure | None:
    """True-positive over false-positive rate, a curve an entry; the diagonal is chance."""
    curves = [(cell["about"], curve) for cell in view.cells for curve in cell["result"].get("roc") or []]
    if not curves:
        return None
    several = len({about["model"] for about, _ in curves}) > 1
    figure = Figure(figsize=(7.0, 4.4), dpi=150, layout="constrained", facecolor="white")
    axes = figure.add_subplot()
    axes.plot([0, 1], [0, 1], color=FAINT, linewidth=1, linestyle=(0, (1, 2)))
    marked = False
    for index, (about, curve) in enumerate(curves):
        words = [title(about["model"]) if several else "", about.get("label", ""), in_words(curve["name"])]
        name = shortened(", ".join(dict.fromkeys(word for word in words if word)) or title(about["model"]), 44)
        colour, style = COLOURS[index % len(COLOURS)], STYLES[index // len(COLOURS) % len(STYLES)]
        label = f"{name}\nAUC {curve['auc']:.3f}"
        axes.plot(curve["fpr"], curve["tpr"], color=colour, linestyle=style, linewidth=1.7, label=label)
        if curve.get("point"):
            marked = True
            axes.plot(*curve["point"], "o", color=colour, markersize=8, markeredgecolor=INK, zorder=5, clip_on=False)
    handles, _ = axes.get_legend_handles_labels()
    if marked:
        mark = {"marker": "o", "markersize": 8, "linestyle": "", "markeredgecolor": INK, "color": "white"}
        handles.append(Line2D([], [], label="chosen threshold", **mark))  # type: ignore[arg-type]
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal")
    axes.set(xlabel="false-positive rate", ylabel="true-positive rate")
    headline(figure, f"{view.experiment.title}: protocol {view.protocol}")
    plain_axes(axes)
    axes.legend(
        handles=handles, frameon=False, fontsize=8, labelspacing=0.9, loc="center left", bbox_to_anchor=(1.02, 0.5)
    )
    return figure


FIGURE = draw_roc
