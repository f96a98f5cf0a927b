"""Accuracy under attack over epsilon, under MRI artefacts over their severity, and over the epochs of training."""

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from mri_robust.report.experiment import by_size_alone
from mri_robust.report.figures import style
from mri_robust.report.figures.style import Look, View, factors, given, named, over_seeds, words
from mri_robust.report.metrics import WORST
from mri_robust.study.epsilon import parts_of_1, size_text

KIND = ("attack", "norm", "region")
TOGETHER, SWEEP = 4, 3
"""Trainings: most whose test and training lines share one pair of axes, and fewest that make a sweep over a number."""
KINDS = {"all": ("test images", "-"), "training": ("training batches", "--")}
"""Subset -> what it is, and the style of its lines."""

ENDS = {"certified_accuracy": "smoothed, certified", "accuracy": "smoothed, under attack"}
"""The metrics at the two ends of a bracket, the lower first -> what they are called."""
PLAIN = "not smoothed, under attack"


def draw_accuracy(view: View) -> Figure | None:
    """A panel per attack and norm, with 95 % intervals and the study's numbers."""
    rows = given(view.numbers("accuracy"), "epsilon")
    attacks = _attacks(rows)
    if not attacks or len(given(view.rows, "severity")) or not by_size_alone(view.experiment):
        return None
    figure = Figure((3.9 * len(attacks) + 1.9, 3.5))
    panels = figure.subplots(1, len(attacks), sharey=True, squeeze=False)[0]
    for axes, attack in zip(panels, attacks, strict=True):
        _over_epsilon(axes, rows, attack, style.looks(rows["model"], view.experiment["models"]))
    panels[0].set_ylabel("accuracy")
    style.legend(figure, panels, "outside right center", 1)
    return figure


def draw_artefacts(view: View) -> Figure | None:
    """A panel per artefact, clean images at severity 0; beside them the worst case of the same models."""
    rows = view.numbers("accuracy")
    spoilt, worst = given(rows, "severity"), _attacks(rows[rows["attack"] == WORST])
    if spoilt.empty:
        return None
    clean = [rows[rows["attack"] == "none"].assign(severity=0, attack=name) for name in spoilt["attack"].unique()]
    points = pd.concat([spoilt, *clean])
    points = points.assign(panel=points["attack"], label=points["model"])
    looks = style.looks(spoilt["model"], view.experiment["models"])
    said = ("severity", "accuracy")
    figure, panels = style.draw_panels(points, "severity", looks, across=4, further=len(worst), says=said)
    for axes in panels:
        places = sorted(points["severity"].unique())
        axes.set_xticks(places, [f"{place:g}" if place else "clean" for place in places])
    for axes, attack in zip(panels[len(panels) - len(worst) :], worst, strict=True):
        _over_epsilon(axes, rows, attack, looks)
    style.legend(figure, panels, "outside lower center")
    return figure


def draw_bracket(view: View) -> Figure | None:
    """A panel per smoothed model: the truth lies in the grey between what is certified and what an attack leaves.

    Beside it the model without smoothing, under the same attack. Their intervals, which overlap, are in the table.
    """
    rows = given(view.numbers(*ENDS), "epsilon")
    smoothed = given(rows, "sigma")
    if smoothed.empty:
        return None
    own = ["model", *factors(rows, "model", "attack", "restarts", "sigma")]
    panels = smoothed[[*own, "sigma"]].drop_duplicates()
    alone = rows[~rows.index.isin(smoothed.index)].drop(columns="sigma").merge(panels, on=own)
    alone = alone[alone["epsilon"] <= alone["sigma"].map(smoothed.groupby("sigma")["epsilon"].max())]
    points = pd.concat([smoothed.assign(label=smoothed["metric"].map(ENDS)), alone.assign(label=PLAIN)])
    points = points.assign(panel=named(points, [*own, "sigma"]), ci_low=points["value"], ci_high=points["value"])
    said = ("L2 norm of the change", "accuracy")
    lines = style.looks([PLAIN, *ENDS.values()])  # the bracket over the model alone
    figure, shown = style.draw_panels(points, "epsilon", lines, across=4, says=said)
    for axes, (_, panel) in zip(shown, points.groupby("panel", sort=False), strict=True):
        low, high = (over_seeds(panel[panel["label"] == name], ["epsilon"]) for name in ENDS.values())
        axes.fill_between(low["epsilon"], low["value"], high["value"], color=style.FAINT, alpha=0.4, lw=0)
    style.legend(figure, shown, "outside lower center", columns=3)
    return figure


def _attacks(rows: pd.DataFrame) -> list[tuple[str, str, str]]:
    """(attack, norm, region) of the rows under attack, in their order: epsilons of two norms share no axis."""
    attacked = rows[rows["attack"] != "none"]
    return list(dict.fromkeys(zip(*(attacked[name] for name in KIND), strict=True)))


def _over_epsilon(axes: Axes, rows: pd.DataFrame, kind: tuple[str, str, str], looks: dict[str, Look]) -> None:
    """Accuracy over epsilon; of each of the study's rows where epsilon alone does not tell them apart."""
    attack, norm, region = kind
    own, parts = rows[(rows[list(KIND)] == kind).all(axis=1)], parts_of_1(norm)
    stages = given(own, "after")
    if len(stages):  # of the worst case, what the last attack leaves
        own = stages[stages["after"] == stages["after"].unique()[-1]]
    own = own.assign(printed=own.get("printed", ""))
    # The study left some fields of a row empty: what it calls the row stands at the others.
    same = own.groupby(["epsilon", "alpha", "steps"], dropna=False)["printed"].transform("max")
    measured = over_seeds(own.assign(printed=same), ("model", "epsilon", "alpha", "steps", "printed"))
    sizes = given(measured, "printed").groupby("printed")["epsilon"].nunique()
    numeric = bool(not measured.duplicated(["model", "epsilon"]).any() and (sizes == 1).all())
    clean = over_seeds(rows[rows["attack"] == "none"].assign(printed="clean"), ("model", "epsilon", "printed"))
    points = pd.concat([clean, measured], ignore_index=True).sort_values("epsilon" if numeric else [], kind="stable")
    names = points["printed"].where(points["printed"] != "", points["epsilon"].map(size_text))
    own = points.assign(name=names).drop_duplicates("name").sort_values("epsilon", kind="stable")  # the first model's
    places = own["name"].tolist()
    for number, (model, look) in enumerate(looks.items()):
        line = points[points["model"] == model]
        aside = 0.11 * (number - (len(looks) - 1) / 2)
        x = line["epsilon"] * parts if numeric else names[line.index].map(places.index) + aside
        style.draw_line(axes, x, line, look, model, joined=numeric)
    if numeric:
        least = 0.5 if parts > 1 else 1 / 16
        axes.set_xscale("symlog", linthresh=least, linscale=0.4)
        ticks = _apart((points["epsilon"] * parts).unique().tolist(), least)
        axes.set_xticks(ticks, [f"{tick:.3g}" for tick in ticks])
        axes.set_xticks([], minor=True)
    else:
        axes.set_xticks(range(len(places)), map(_size, parts * own["epsilon"], parts * own["alpha"], own["steps"]))
    unit = "in 1/255 of the pixel range" if parts > 1 else f"{norm.upper()} norm, pixels in [0, 1]"
    below = f"ε, {unit}" if numeric else f"ε, steps × their size, {unit}"
    title = "worst case" if attack == WORST else attack.upper()
    title += "" if region in ("", "all") else f", {region}"
    axes.set(title=title if parts > 1 else f"{title}, {norm.upper()}", xlabel=below, ylim=style.RATE)


def _size(epsilon: float, alpha: float, steps: float) -> str:
    """Epsilon over its steps, where it has some."""
    walked = "" if pd.isna(alpha) or pd.isna(steps) else f"\n{steps:g} × {alpha:.3g}"
    return f"{epsilon:.3g}{walked}" if epsilon else "clean"


def _apart(places: list[float], least: float) -> list[float]:
    """Places whose labels do not run into each other; whole numbers stay before others. The axis is even to `least`."""
    kept: list[float] = []
    for place in sorted(places, key=lambda place: (round(place, 3) % 1 != 0, -place)):
        if all(abs(place - other) > 0.28 * max(place, other, least) for other in kept):
            kept.append(place)
    return sorted(kept)


def draw_curves(view: View) -> Figure | None:
    """A line per training: few share one pair of axes; else a row per sweep over a number, one and a key for others."""
    rows = given(view.rows, "epoch")
    if (rows := rows[(rows["metric"] == "accuracy") & rows["subset"].isin(KINDS)]).empty:
        return None
    names = ["model", *factors(rows, "model", "epoch")]
    points = over_seeds(rows, [*names, "subset", "epoch"]).sort_values("epoch", kind="stable")
    trainings = rows[names].drop_duplicates(ignore_index=True)
    groups = gather(trainings)
    together = len(trainings) <= TOGETHER and not groups[0][0]
    panels = [tuple(KINDS)] if together else [(kind,) for kind in KINDS]
    heights = [3.0 if tied else max(3.0, 0.42 * len(group) + 0.5) for tied, group in groups]
    figure = Figure((3.6 * (len(panels) + 1), sum(heights) + 0.8))
    grid = figure.subplots(len(groups), len(panels) + 1, squeeze=False, height_ratios=heights)
    for row, (tied, group) in zip(grid, groups, strict=True):
        lines = [points.merge(group.iloc[[place]], on=names) for place in range(len(group))]
        # Dark to light, which grey print and colour-blind readers also see in order.
        shades = colormaps["viridis"](np.linspace(0, 0.86, len(group)))
        own = [(to_hex(shade), style.MARKERS[n % len(style.MARKERS)]) for n, shade in enumerate(shades)]
        for axes, kinds in zip(row, panels, strict=False):
            for line, (colour, marker) in zip(lines, own, strict=True):
                for kind in kinds:
                    part = line[line["subset"] == kind]
                    axes.plot(part["epoch"], part["value"], KINDS[kind][1], color=colour, marker=marker)
            axes.set(title=" and ".join(KINDS[kind][0] for kind in kinds), xlabel="epoch", ylim=style.RATE)
            axes.set_xlim(0.85, max(points["epoch"].max(), 2) + 0.15)
            axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
        same = [name for name in factors(trainings) if name not in (*tied, *factors(group))]
        row[0].set_ylabel(f"{words(dict(group.iloc[0]), same)}\naccuracy".strip())
        _draw_key(row[-1], tied, group, lines, own)
    keys = [Line2D([], [], color=style.INK, ls=dash, label=name) for name, dash in KINDS.values()]
    figure.legend(handles=keys, loc="outside lower center", ncols=2, handlelength=3.5, frameon=False)
    return figure


def gather(trainings: pd.DataFrame) -> list[tuple[tuple[str, ...], pd.DataFrame]]:
    """(columns that count one number up, the trainings in its order), the largest first; then ((), all the others).

    `trainings` has a row per training, its columns what tells them apart. Two that hold the same number count up
    together (`scale strength 3, perturbation 3`). A sweep has at least three trainings.
    """
    numeric, left = [str(name) for name in trainings.select_dtypes("number")], trainings
    groups: list[tuple[tuple[str, ...], pd.DataFrame]] = []
    while True:
        found = []
        for tied in (*combinations(numeric, 2), *combinations(numeric, 1)):
            others, same = [name for name in left if name not in tied], left[left[list(tied)].nunique(axis=1) == 1]
            found += [(tied, members) for _, members in same.groupby(others, dropna=False, sort=False)]
        tied, members = max(found, key=lambda each: len(each[1]), default=((), left[:0]))
        if len(members) < SWEEP:
            return groups + ([((), left)] if len(left) else [])
        groups.append((tied, members.sort_values(tied[0])))
        left = left.drop(members.index)


def _draw_key(axes: Axes, tied: Sequence[str], group: pd.DataFrame, lines: list[pd.DataFrame], own: list[Look]) -> None:
    """What the lines are: a sweep's ends over its number, a dot on test images and a ring on training batches."""
    if not tied:
        texts = [words(training, factors(group) or ["model"]) for training in group.to_dict("records")]
        keys = [Line2D([], [], color=c, marker=m, label=text) for (c, m), text in zip(own, texts, strict=True)]
        axes.set_axis_off()
        axes.legend(handles=keys, loc="center left", labelspacing=0.8, frameon=False)
        return
    numbers, colours = group[tied[0]].tolist(), [colour for colour, _ in own]
    for kind, (_, dash) in KINDS.items():
        ends = [line["value"][line["subset"] == kind].iloc[-1:].sum() for line in lines]
        axes.plot(numbers, ends, dash, color="#BBBBBB", linewidth=1, zorder=1)
        size, faces = (26, colours) if kind == "all" else (70, "none")
        axes.scatter(numbers, ends, size, facecolors=faces, edgecolors=colours, zorder=2)
    named = " = ".join(name.replace("_", " ") for name in tied)
    axes.set(title="after the last epoch, in the same colours", xlabel=named, ylim=style.RATE)
    axes.set_xticks(numbers, [f"{number:g}" for number in numbers])
