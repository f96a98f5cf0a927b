"""Figures of an experiment: each kind draws a view of the results, or gives None without rows or artefacts for it."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure
from PIL.Image import Image

from mri_robust.core.files import written_aside
from mri_robust.report.contact_sheet import save_sheet
from mri_robust.report.figures import accuracy, curves, predictions, rates, sheets
from mri_robust.report.figures.style import View
from mri_robust.study.results_folder import ResultsFolder

KINDS: dict[str, Callable[[View], Figure | Image | None]] = {
    "accuracy": accuracy.draw_accuracy,
    "artefacts": accuracy.draw_artefacts,
    "curves": curves.draw_curves,
    "confusion": predictions.draw_confusion,
    "roc": predictions.draw_roc,
    "extraction": rates.draw_extraction,
    "detectors": rates.draw_detectors,
    "pruning": rates.draw_pruning,
    "gallery": partial(sheets.draw_pictures, kind="gallery"),
    "sheet": partial(sheets.draw_pictures, kind="sheet"),
}
"""Name of a figure -> how it is drawn, in the order of the page; the last two are pictures."""
SETTINGS: dict[Any, Any] = {
    **{"text.parse_math": False, "svg.fonttype": "none", "svg.hashsalt": "mri-robust"},
    **{"figure.dpi": 150, "figure.constrained_layout.use": True, "figure.titlesize": 11, "lines.markersize": 5},
    **{"axes.titlesize": 9.5, "axes.labelsize": 9, "xtick.labelsize": 8, "ytick.labelsize": 8, "legend.fontsize": 8},
    **{"axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "grid.alpha": 0.25},
}
"""A `$` in a class name is a dollar; text in an SVG is text; one figure is always the same file."""


def draw_all(results: ResultsFolder, experiment: dict[str, Any], protocol: str) -> dict[str, Figure | Image]:
    """Name -> figure, of every kind for which an experiment, as `run.json` describes it, has something to show."""
    view = View(results, experiment, protocol)
    with rc_context(SETTINGS):
        drawn = {name: draw(view) for name, draw in KINDS.items()}
    return {name: figure for name, figure in drawn.items() if figure is not None}


def save(figure: Figure | Image, path: Path) -> None:
    """Write a figure as `<path>.png` and `<path>.svg`, pictures as PNG alone; the same bytes each time."""
    if isinstance(figure, Image):
        return save_sheet(figure, path.with_name(f"{path.name}.png"))
    # A name may have letters that the font lacks: they show as boxes.
    with rc_context(SETTINGS), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph", UserWarning)
        for kind, nameless in (("png", {"Software": None}), ("svg", {"Date": None, "Creator": None})):
            with written_aside(path.with_name(f"{path.name}.{kind}")) as aside:
                figure.savefig(aside, format=kind, metadata=nameless)
            figure.set_layout_engine("none")  # what was laid out for one file holds for the other
