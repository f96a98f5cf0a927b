"""Accuracy and attack success over the channels that fine-pruning takes, a panel a poisoning."""

from __future__ import annotations

from matplotlib.figure import Figure

from mri_robust.report.drawing import COLOURS, FAINT, headline, plain_axes
from mri_robust.report.results import View


def draw_pruning(view: View) -> Figure | None:
    """Where the backdoor goes before the accuracy does, pruning helps; the dotted line is where it stops."""
    paths = [(cell["about"], path) for cell in view.cells for path in cell["result"].get("pruning") or []]
    if not paths:
        return None
    figure = Figure(figsize=(max(3.1 * len(paths), 4.2), 3.4), dpi=150, layout="constrained", facecolor="white")
    panels = figure.subplots(1, len(paths), sharey=True, squeeze=False)[0]
    for axes, (about, path) in zip(panels, paths, strict=True):
        for name, label, colour, marker in (
            ("accuracy", "accuracy", COLOURS[0], "o"),
            ("asr", "attack success", COLOURS[1], "s"),
        ):
            axes.plot(path["counts"], path[name], color=colour, marker=marker, markersize=3.5, label=label)
        axes.axvline(path["chosen"], color=FAINT, linestyle=":", linewidth=1.2, label="fine-pruning stops")
        axes.set(ylim=(-0.02, 1.02), xlabel="channels pruned", title=about.get("label", ""))
        axes.title.set_fontsize(9)
        plain_axes(axes)
    panels[0].set_ylabel("rate")
    figure.legend(
        *panels[0].get_legend_handles_labels(), frameon=False, fontsize=8, loc="outside lower center", ncols=3
    )
    headline(figure, f"{view.experiment.title}: protocol {view.protocol}")
    return figure


FIGURE = draw_pruning
