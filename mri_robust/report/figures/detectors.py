"""What detectors of poison catch, and what they flag by mistake: a panel a poisoning."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mri_robust.report.drawing import COLOURS, headline, plain_axes
from mri_robust.report.entry import Entry, entry_of
from mri_robust.report.results import View

RATES = {"recall": ("recall", COLOURS[0], "o"), "fpr": ("false-positive rate", COLOURS[1], "s")}


def draw_detectors(view: View) -> Figure | None:
    """Recall and false-positive rate of each detector with 95 % intervals; a good one has them far apart."""
    rows = view.table[view.table["metric"].isin(RATES) & view.table["condition"].str.contains("detector=")]
    if rows.empty:
        return None
    entries: dict[str, dict[tuple[str, str], Entry | None]] = {}
    for (condition, metric), group in rows.groupby(["condition", "metric"], sort=False):
        parts = dict(part.partition("=")[::2] for part in str(condition).split(";"))
        name = f"{parts['detector']}, {parts.get('set', '')} set"
        entries.setdefault(parts.get("poison", ""), {})[name, str(metric)] = entry_of(group)
    names = list(dict.fromkeys(name for panel in entries.values() for name, _ in panel))[::-1]
    figure = Figure(
        figsize=(2.6 + 1.9 * len(entries), 1.4 + 0.3 * len(names)), dpi=150, layout="constrained", facecolor="white"
    )
    panels = figure.subplots(1, len(entries), sharex=True, sharey=True, squeeze=False)[0]
    for axes, (poison, panel) in zip(panels, entries.items(), strict=True):
        for metric in RATES:
            _draw_rates(axes, metric, [panel.get((name, metric)) for name in names])
        axes.set(xlim=(-0.04, 1.04), xlabel="rate", yticks=range(len(names)), yticklabels=names)
        axes.set_title(f"poison: {poison}", fontsize=9)
        axes.tick_params(labelsize=8)
        plain_axes(axes)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, frameon=False, fontsize=8, loc="outside lower right", ncols=2)
    headline(figure, f"{view.experiment.title}: protocol {view.protocol}")
    return figure


def _draw_rates(axes: Axes, metric: str, entries: list[Entry | None]) -> None:
    label, colour, marker = RATES[metric]
    for place, entry in enumerate(entries):
        if entry is None:
            continue
        height = place + (0.12 if metric == "recall" else -0.12)
        if entry.low is not None and entry.high is not None:
            axes.plot([entry.low, entry.high], [height, height], color=colour, linewidth=1.4, alpha=0.5)
        axes.plot(entry.value, height, marker, color=colour, markersize=4.5)
    axes.plot([], [], marker, color=colour, markersize=4.5, label=label)


FIGURE = draw_detectors
