"""Figures of a bench: accuracy over epsilon, and one image under rising epsilon."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from mri_robust.core.files import written_aside
from mri_robust.report.layout import TITLES, Grid, Line, arrange, in_255ths
from mri_robust.report.results import Results
from mri_robust.study.experiment import Experiment

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7F7F7F", "#000000")
"""Okabe and Ito's palette, which colour-blind readers can tell apart."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
INK = "#222222"


def draw_figures(results: Results) -> list[Path]:
    """Draw every figure of a run into `figures/`; returns their paths relative to the folder."""
    drawn = []
    for experiment in results.experiments:
        for protocol in results.protocols(experiment.name):
            table = results.tables[experiment.name]
            name = f"{experiment.name}-{protocol}"
            figure = draw_curves(table[table["protocol"] == protocol], experiment, protocol)
            drawn.append(_save(figure, results.folder, f"{name}-accuracy.png"))
        for cell in results.cells(experiment.name):
            about = cell["about"]
            if "pictures" in cell["result"] and about["seed"] == results.run["seeds"][0]:
                figure = draw_gallery(cell["result"], f"{experiment.name.upper()}, {TITLES[about['model']]}")
                drawn.append(_save(figure, results.folder, f"{experiment.name}-{about['protocol']}-images.png"))
    return drawn


def draw_curves(table: pd.DataFrame, experiment: Experiment, protocol: str) -> Figure:
    """Accuracy over epsilon in pixels, with 95 % intervals; over the study's rows where epsilon alone does not say."""
    grid = arrange(table, experiment)
    figure = Figure(figsize=(7.2, 4.4), dpi=150, layout="constrained")
    axes = figure.add_subplot()
    lines = _curve_lines(grid)
    numeric = protocol == "sound"
    if numeric:
        lines = sorted(lines, key=lambda line: line.epsilon)
    for model in grid.models:
        _draw_model(axes, lines, model, numeric)
    if numeric:
        axes.set_xscale("symlog", linthresh=0.5, linscale=0.4)
        ticks = _apart([line.epsilon * 255 for line in lines])
        axes.set_xticks(ticks, [f"{tick:.2g}" for tick in ticks], minor=False)
        axes.set_xticks([], minor=True)
        axes.set_xlabel("ε in 255ths of the pixel range")
    else:
        labels = ["\n".join(head for head in line.heads if head) for line in lines]
        axes.set_xticks(range(len(lines)), labels, fontsize=8)
        axes.set_xlabel(f"the study's row: {', '.join(grid.headers)} as printed")
    axes.set(ylim=(-0.02, 1.02), ylabel="accuracy", title=f"{experiment.title}: protocol {protocol}")
    axes.grid(alpha=0.25, linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def _curve_lines(grid: Grid) -> list[Line]:
    """Rows that make one curve: the worst-case ones where there are any, else all."""
    worst = [line for line in grid.lines if line.worst_case and "APGD" not in line.heads[0]]
    return [line for line in grid.lines if line.heads[0] == "clean"] + worst if worst else list(grid.lines)


def _apart(places: list[float]) -> list[float]:
    """Places whose labels do not run into each other; whole numbers stay before others."""
    kept: list[float] = []
    for place in sorted(places, key=lambda place: (round(place, 3) % 1 != 0, -place)):
        if all(abs(place - other) > 0.28 * max(place, other, 0.5) for other in kept):
            kept.append(place)
    return sorted(kept)


def _draw_model(axes: Axes, lines: list[Line], model: str, numeric: bool) -> None:
    points = [
        (line.epsilon * 255 if numeric else position, line.entries[model])
        for position, line in enumerate(lines)
        if model in line.entries
    ]
    places = [place for place, _ in points]
    index = list(TITLES).index(model) if model in TITLES else len(TITLES)
    colour = COLOURS[index % len(COLOURS)]
    axes.fill_between(places, [e.low for _, e in points], [e.high for _, e in points], color=colour, alpha=0.12, lw=0)
    marker = MARKERS[index % len(MARKERS)]
    style = {"marker": marker, "markersize": 5, "linewidth": 1.6, "color": colour}
    axes.plot(places, [entry.value for _, entry in points], label=TITLES.get(model, model), **style)  # type: ignore[arg-type]


def draw_gallery(result: dict[str, Any], title: str) -> Figure:
    """Adversarial images above their amplified change from the clean one, with what the model says."""
    pictures = result["pictures"]
    images = [_decode(picture["image"]) for picture in pictures]
    figure = Figure(figsize=(1.75 * len(images), 4.3), dpi=150, layout="constrained", facecolor="white")
    axes = figure.subplots(2, len(images), squeeze=False)
    for column, (picture, image) in enumerate(zip(pictures, images, strict=True)):
        right = picture["predicted"] == result["label"]
        top, below = axes[0, column], axes[1, column]
        _show(top, image)
        name = "clean" if column == 0 else f"ε = {in_255ths(picture['epsilon'])}"
        top.set_title(name, fontsize=9, color=INK)
        top.set_xlabel(
            f"{picture['predicted']}\n{picture['probability']:.0%}", fontsize=9, color="#007A53" if right else "#C0392B"
        )
        change = image.astype(float) - images[0]
        reach = np.abs(change).max()
        _show(below, 127.5 + 127.5 * change / reach if reach else np.full(image.shape, 127.5))
        below.set_xlabel("" if column == 0 else f"change, greatest {picture['change'] * 255:.1f}/255", fontsize=7)
    figure.suptitle(f"{title}: a test image of class {result['label']}", fontsize=11, color=INK)
    return figure


def _show(axes: Axes, image: np.ndarray) -> None:
    axes.imshow(image, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)


def _decode(text: str) -> np.ndarray:
    image = np.asarray(Image.open(io.BytesIO(base64.b64decode(text))))
    return image if image.ndim == 2 else image.mean(-1)


def _save(figure: Figure, folder: Path, name: str) -> Path:
    path = folder / "figures" / name
    with written_aside(path) as aside:
        figure.savefig(aside, format="png", metadata={"Software": None})
    return path.relative_to(folder)
