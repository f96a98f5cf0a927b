"""Rates of attacks and defences: fidelity of copies over queries, detectors of poison, pruning of a backdoor."""

from matplotlib.figure import Figure

from mri_robust.report.figures import style
from mri_robust.report.figures.style import View, factors, given, named, over_seeds


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
    style.legend(figure, panels, "outside lower right")
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
            axes.axvline(stop, color=style.FAINT, linestyle=":", label="fine-pruning stops")
    style.legend(figure, panels, "outside lower right")
    return figure
