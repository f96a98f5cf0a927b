"""Images of the classes, made out of models: class means and reconstructions, and no patient's image."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from mri_robust.report.drawing import FAINT, INK, decode, headline, shortened, show
from mri_robust.report.layout import title
from mri_robust.report.results import View

GAP = 0.35
"""Width between the blocks of two models, an image being 1."""


def draw_inversion(view: View) -> Figure | None:
    """A block a model, a column a class, a row a way to make the image; below it the second model's confidence."""
    cells = [cell for cell in view.cells if cell["result"].get("reconstructions")]
    if not cells:
        return None
    rows = max(len(cell["result"]["reconstructions"]) for cell in cells)
    widths = [len(cell["result"]["reconstructions"][0]["pictures"]) for cell in cells]
    ratios = [each for width in widths for each in [1.0] * width + [GAP]][:-1]
    size = (0.98 * sum(ratios) + 1.4, 1.22 * rows + 0.8)
    figure = Figure(figsize=size, dpi=150, layout="constrained", facecolor="white")
    axes = figure.subplots(rows, len(ratios), squeeze=False, gridspec_kw={"width_ratios": ratios})
    for place in axes.flat:
        place.set_axis_off()
    left = 0
    for cell, width in zip(cells, widths, strict=True):
        made = cell["result"]["reconstructions"]
        _draw_block(axes[:, left : left + width], made)
        axes[0, left].annotate(
            title(cell["about"]["model"]), (0, 1.25), xycoords="axes fraction", fontsize=10, color=INK
        )
        if not left:
            for place, row in zip(axes[:, 0], made, strict=False):
                place.set_ylabel(shortened(row["name"], 40).replace(", ", ",\n", 1), fontsize=8, color=INK)
        left += width + 1
    headline(figure, f"{view.experiment.title}, protocol {view.protocol}; below: the second model's confidence")
    return figure


def _draw_block(axes: np.ndarray, made: list[dict[str, Any]]) -> None:
    for places, row in zip(axes, made, strict=False):
        for place, picture in zip(places, row["pictures"], strict=True):
            place.set_axis_on()
            show(place, decode(picture["image"]))
            place.set_xlabel(f"{picture['second_confidence']:.2f}", fontsize=8, color=FAINT, labelpad=2)
    for place, picture in zip(axes[0], made[0]["pictures"], strict=True):
        place.set_title(shortened(picture["class"], 14), fontsize=8, color=INK)


FIGURE = draw_inversion
