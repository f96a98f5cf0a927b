"""Accuracy under attack over epsilon, and under MRI artefacts over their severity: a line per model."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mri_robust.report.figures import style
from mri_robust.report.figures.style import View, given, over_seeds
from mri_robust.report.metrics import in_255ths

WORST = "worst-case"


def draw_accuracy(view: View) -> Figure | None:
    """A panel per attack, with 95 % intervals and the study's numbers."""
    rows = given(view.numbers("accuracy"), "epsilon")
    attacks = list(dict.fromkeys(rows["attack"][rows["attack"] != "none"]))
    if not attacks or len(given(view.rows, "severity")):
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
    spoilt, worst = given(rows, "severity"), rows[rows["attack"] == WORST]
    if spoilt.empty:
        return None
    clean = [rows[rows["attack"] == "none"].assign(severity=0, attack=name) for name in spoilt["attack"].unique()]
    points = pd.concat([spoilt, *clean])
    points = points.assign(panel=points["attack"], label=points["model"])
    looks = style.looks(spoilt["model"], view.experiment["models"])
    figure, panels = style.draw_panels(points, "severity", looks, across=4, further=int(len(worst) > 0))
    for axes in panels:
        places = sorted(points["severity"].unique())
        axes.set_xticks(places, [f"{place:g}" if place else "clean" for place in places])
    if len(worst):
        _over_epsilon(panels[-1], rows, WORST, looks)
    for axes in panels[::4]:
        axes.set_ylabel("accuracy")
    style.legend(figure, panels, "outside lower center")
    return figure


def _over_epsilon(axes: Axes, rows: pd.DataFrame, attack: str, looks: dict[str, style.Look]) -> None:
    """Accuracy over epsilon in pixels; of each of the study's rows where epsilon alone does not tell them apart."""
    own = rows[rows["attack"] == attack]
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
    names = points["printed"].where(points["printed"] != "", points["epsilon"].map(in_255ths))
    places = list(dict.fromkeys(names))
    for number, (model, look) in enumerate(looks.items()):
        line = points[points["model"] == model]
        aside = 0.11 * (number - (len(looks) - 1) / 2)
        x = line["epsilon"] * 255 if numeric else names[line.index].map(places.index) + aside
        style.draw_line(axes, x, line, look, model, joined=numeric)
    if numeric:
        axes.set_xscale("symlog", linthresh=0.5, linscale=0.4)
        ticks = _apart((points["epsilon"] * 255).unique().tolist())
        axes.set_xticks(ticks, [f"{tick:.2g}" for tick in ticks])
        axes.set_xticks([], minor=True)
    else:
        axes.set_xticks(range(len(places)), [name.replace(" / ", "\n") for name in places])
    below = "ε, in 1/255 of the pixel range" if numeric else "the study's row, as printed"
    axes.set(title="worst case" if attack == WORST else attack.upper(), xlabel=below, ylim=style.RATE)


def _apart(places: list[float]) -> list[float]:
    """Places whose labels do not run into each other; whole numbers stay before others."""
    kept: list[float] = []
    for place in sorted(places, key=lambda place: (round(place, 3) % 1 != 0, -place)):
        if all(abs(place - other) > 0.28 * max(place, other, 0.5) for other in kept):
            kept.append(place)
    return sorted(kept)
