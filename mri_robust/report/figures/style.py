"""What the figures share: the rows that they draw, names, looks, lines and axes."""

import math
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from mri_robust.core.errors import one_line
from mri_robust.report.metrics import metric, model_title, ordered, plain_text
from mri_robust.study.results_folder import ResultsFolder

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7F7F7F", "#000000")
"""Okabe and Ito's palette, which colour-blind readers can tell apart."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
INK, FAINT, RATE = "#222222", "#8A8A8A", (-0.02, 1.02)
MAIN = ("cnn_clean", "cnn_fgsm", "cnn_pgd", "resnet_clean", "resnet_pgd", "ensemble", "cnn_raw")
"""Models that have the same look in every figure."""
NO_FACTORS = {
    *("experiment", "protocol", "dataset", "scale", "seed", "weights", "engine", "norm", "region"),
    *("epsilon", "alpha", "steps"),
    *("subset", "class", "metric", "value", "ci_low", "ci_high", "n", "paper", "printed"),
}
"""Columns that name no line and no panel."""
NAMELESS = ("model", "metric", "attack", "thief", "detector", "rule")
"""Columns whose values say enough without the column's name."""

Look = tuple[str, str]  # (colour, marker)


@dataclass(frozen=True)
class View:
    """One experiment, as `run.json` describes it, under one protocol."""

    results: ResultsFolder
    experiment: Mapping[str, Any]
    protocol: str

    @cached_property
    def rows(self) -> pd.DataFrame:
        """The rows over all classes; their norm and region are "" where the table tells none."""
        table = self.results.table(self.experiment["name"])
        table = table.assign(**{name: table[name].fillna("") if name in table else "" for name in ("norm", "region")})
        return table[(table["protocol"] == self.protocol) & (table["class"] == "")]

    def numbers(self, *metrics: str, subset: str = "all") -> pd.DataFrame:
        """The rows of some metrics over a subset of the test images."""
        return self.rows[self.rows["metric"].isin(metrics) & (self.rows["subset"] == subset)]

    def artefacts(self, kind: str) -> tuple[list[tuple[dict[Any, Any], Any]], list[str]]:
        """(what it is about, what it holds) of each artefact of a kind, first seed; and what tells them apart."""
        asked = {"experiment": self.experiment["name"], "protocol": self.protocol}
        found = self.results.artefacts(kind, seed=self.results.json("run")["seeds"][0], **asked)
        kept = [(labels, data) for labels, data in found if data]
        about = pd.DataFrame([labels for labels, _ in kept])
        about = about[[name for name in self.rows if name in about]]
        return [(row, data) for row, (_, data) in zip(about.to_dict("records"), kept, strict=True)], factors(about)

    @property
    def title(self) -> str:
        """What stands over its figures."""
        return shortened(f"{self.experiment['title']}: protocol {self.protocol}", 300)


def given(rows: pd.DataFrame, column: str) -> pd.DataFrame:
    """The rows to which a factor applies; none where the table has no such column."""
    return rows[rows[column].notna() & (rows[column] != "")] if column in rows else rows.iloc[:0]


def factors(rows: pd.DataFrame, *less: str) -> list[str]:
    """The columns that tell rows apart, `model` among them, without those named."""
    names = [str(name) for name in rows if name not in {*NO_FACTORS, *less}]
    return [name for name in names if rows[name].nunique(dropna=False) > 1]


def over_seeds(rows: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
    """One row per combination of `keys`: `value`, `ci_low`, `ci_high` and `paper`, each its mean over the seeds."""
    groups = rows.groupby([key for key in keys if key in rows], sort=False, dropna=False, as_index=False)
    found = groups[["value", "ci_low", "ci_high", "paper"]].mean()
    return found.assign(**{name: found[name].fillna(found["value"]) for name in ("ci_low", "ci_high")})


def shortened(text: str, length: int) -> str:
    """One printable line of at most `length` characters; a legend would hide what begins with `_`."""
    line = one_line(text).lstrip("_")
    return line if len(line) <= length else line[: length - 1] + "…"


def words(row: Mapping[Any, Any], columns: Iterable[str], *more: str, width: int = 34) -> str:
    """What tells a row from others, `start scratch, strength 2`, in at most four lines."""
    calls = {"model": model_title, "metric": lambda name: metric(name).heading}
    parts = []
    for name in columns:
        value = row.get(name)
        if value is not None and value == value and value != "" and (name, value) != ("attack", "none"):
            text = calls[name](value) if name in calls else plain_text(value)
            parts.append(text if name in NAMELESS else f"{name.replace('_', ' ')} {text}")
    # Lines break between the parts: textwrap breaks at no no-break space.
    whole = [shortened(part, width - 1).replace(" ", "\xa0") for part in dict.fromkeys([*parts, *more]) if part]
    return textwrap.fill(", ".join(whole), width, max_lines=4, placeholder=" …").replace("\xa0", " ")


def named(rows: pd.DataFrame, columns: Sequence[str], width: int = 34) -> pd.Series:
    """`words` of every row; where shortening makes names of different rows equal, they are numbered."""
    records = rows.to_dict("records")
    texts = pd.Series([words(row, columns, width=width) for row in records], rows.index, dtype=object)
    values = pd.Series([str([row.get(name) for name in columns]) for row in records], rows.index, dtype=object)
    numbers = values.groupby(texts, sort=False).transform(lambda alike: pd.factorize(alike)[0])
    return texts.where(numbers == 0, texts + [f" ({number + 1})" for number in numbers])


def looks(labels: Iterable[str], first: Sequence[str] = ()) -> dict[str, Look]:
    """Model, or another label -> its look; those in `first` come first, in that order."""
    names = ordered(labels, first)
    free = [place for place in range(len(COLOURS)) if place >= len(MAIN) or MAIN[place] not in names]
    others = [name for name in names if name not in MAIN]
    places = {name: MAIN.index(name) if name in MAIN else free[others.index(name) % len(free)] for name in names}
    return {name: (COLOURS[place], MARKERS[place]) for name, place in places.items()}


def draw_line(axes: Axes, x: pd.Series, rows: pd.DataFrame, look: Look, label: str, *, joined: bool = True) -> None:
    """Values with 95 % intervals, as a line with a band or as marks with bars; the study's numbers are hollow marks."""
    colour, marker = look
    if joined:
        axes.fill_between(x, rows["ci_low"], rows["ci_high"], color=colour, alpha=0.12, lw=0)
    else:
        axes.vlines(x, rows["ci_low"], rows["ci_high"], color=colour)
    shown = shortened(model_title(label), 60) or " "
    axes.plot(x, rows["value"], marker=marker, color=colour, linestyle="-" if joined else "", label=shown)
    if rows["paper"].notna().any():
        axes.plot(x, rows["paper"], marker, color=colour, mfc="none", mew=1.3, markersize=9, label="_study")


def draw_panels(
    rows: pd.DataFrame, x: str, lines: Mapping[str, Look], *, across: int, further: int = 0, says: tuple[str, str]
) -> tuple[Figure, list[Axes]]:
    """A panel per value of the column `panel`, in it a line over `x` per value of `label`; empty ones after them."""
    panels = list(rows.groupby("panel", sort=False))
    count = len(panels) + further
    across = min(across, count)
    figure = Figure((max(2.9 * across, 4.2), 2.7 * math.ceil(count / across) + 0.8))
    grid = figure.subplots(math.ceil(count / across), across, squeeze=False)
    for axes, (title, panel) in zip(grid.flat, panels, strict=False):
        points = over_seeds(panel, ["label", x]).sort_values(x)
        for label, look in lines.items():
            line = points[points["label"] == label]
            draw_line(axes, line[x], line, look, label)
        axes.set(title=title, xlabel=says[0], ylim=RATE)
        axes.tick_params(labelleft=axes in grid[:, 0])
    for axes in grid[:, 0]:
        axes.set_ylabel(says[1])
    for axes in grid.flat[count:]:
        axes.set_visible(False)
    return figure, list(grid.flat[:count])


def draw_dots(axes: Axes, rows: pd.DataFrame, names: Sequence[str], lines: Mapping[str, Look]) -> None:
    """A row per name of the column `name`, in it a mark with its interval per value of `label`."""
    for number, (label, (colour, marker)) in enumerate(lines.items()):
        own = rows[rows["label"] == label]
        heights = own["name"].map(list(names).index) + 0.24 * (number - (len(lines) - 1) / 2)
        axes.hlines(heights, own["ci_low"], own["ci_high"], color=colour, alpha=0.6)
        axes.plot(own["value"], heights, marker, color=colour, label=shortened(model_title(label), 60))
    axes.set(xlim=RATE, ylim=(len(names) - 0.5, -0.5))
    axes.set_yticks(range(len(names)), names)


def legend(figure: Figure, panels: Iterable[Axes], place: Any, columns: int = 9) -> None:
    """Every label of the panels once, outside of them."""
    shown = list(panels)
    found = {text: line for each in shown for line, text in zip(*each.get_legend_handles_labels(), strict=True)}
    if any(line.get_label() == "_study" for axes in shown for line in axes.lines):
        found["the study's number"] = Line2D([], [], color=FAINT, marker="o", markersize=9, mfc="none", linestyle="")
    figure.legend(list(found.values()), list(found), loc=place, ncols=columns, frameon=False)
