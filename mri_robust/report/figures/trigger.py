"""The backdoor's trigger, and what it does to an image: Figure 2."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from mri_robust.report.drawing import COLOURS, FAINT, INK, amplified, decode, headline, shortened, show
from mri_robust.report.results import View

MARGIN = 3
"""Pixels round the stamped place that its enlargement also shows."""


def draw_trigger(view: View) -> Figure | None:
    """The trigger alone, a clean image, the same image stamped, the stamped place enlarged, and what changed."""
    cell = next((cell for cell in view.cells if cell["result"].get("trigger")), None)
    if cell is None:
        return None
    trigger = cell["result"]["trigger"]
    clean, stamped = decode(trigger["clean"]), decode(trigger["stamped"])
    change = stamped.astype(float).mean(-1) - clean.astype(float).mean(-1)
    top, left, bottom, right = stamped_place(change)
    figure = Figure(figsize=(10.4, 2.75), dpi=150, layout="constrained", facecolor="white")
    axes = figure.subplots(1, 5)
    panels = (
        ("trigger", decode(trigger["pattern"]), ""),
        ("clean", clean, shortened(f"class {trigger['class']}", 30)),
        ("stamped", stamped, "the same image"),
        ("stamped place", stamped[top:bottom, left:right], f"{bottom - top} × {right - left} pixels"),
        ("difference", amplified(change), f"amplified, greatest {np.abs(change).max():.0f}/255"),
    )
    for place, (name, image, below) in zip(axes, panels, strict=True):
        show(place, image)
        place.set_title(name, fontsize=10, color=INK)
        place.set_xlabel(below, fontsize=8, color=FAINT)
    _frame(axes[2], top, left, bottom, right)
    _frame(axes[4], top, left, bottom, right)
    axes[3].spines[:].set(visible=True, color=COLOURS[1], linewidth=1.2)
    headline(figure, f"{view.experiment.title}: the trigger")
    return figure


def stamped_place(change: np.ndarray) -> tuple[int, int, int, int]:
    """What changed in [H, W]: (top, left, bottom, right) with a margin; the whole image if nothing did."""
    rows, columns = np.nonzero(change)
    height, width = change.shape
    if not len(rows):
        return 0, 0, height, width
    return (
        max(int(rows.min()) - MARGIN, 0),
        max(int(columns.min()) - MARGIN, 0),
        min(int(rows.max()) + MARGIN + 1, height),
        min(int(columns.max()) + MARGIN + 1, width),
    )


def _frame(axes: Axes, top: int, left: int, bottom: int, right: int) -> None:
    corner, width, height = (left - 0.5, top - 0.5), right - left, bottom - top
    axes.add_patch(Rectangle(corner, width, height, fill=False, edgecolor=COLOURS[1], linewidth=1.2, clip_on=False))


FIGURE = draw_trigger
