"""Figures of an experiment: each kind draws a view of the results, or gives None without rows or artefacts for it."""

import textwrap
import warnings
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from matplotlib import rc_context
from matplotlib.figure import Figure
from PIL.Image import Image

from mri_robust.core.files import written_aside
from mri_robust.report.contact_sheet import save_sheet
from mri_robust.report.figures import accuracy, rates, sheets
from mri_robust.report.figures.style import INK, View
from mri_robust.study.results_folder import ResultsFolder

KINDS: dict[str, tuple[Callable[[View], Figure | Image | None], str]] = {
    "accuracy": (accuracy.draw_accuracy, "Accuracy over epsilon"),
    "bracket": (accuracy.draw_bracket, "Smoothed models between certificate and attack"),
    "artefacts": (accuracy.draw_artefacts, "Accuracy under MRI artefacts"),
    "curves": (accuracy.draw_curves, "Accuracy over the epochs of training"),
    "confusion": (rates.draw_confusion, "Confusion matrices"),
    "roc": (rates.draw_roc, "ROC curves"),
    "extraction": (rates.draw_extraction, "Copies over the number of queries"),
    "detectors": (rates.draw_detectors, "What detectors catch"),
    "limits": (rates.draw_limits, "Squares that are seen, by size and contrast"),
    "pruning": (rates.draw_pruning, "Accuracy and attack success over pruned channels"),
    "gallery": (partial(sheets.draw_pictures, kind="gallery"), "Test images under rising epsilon"),
    "sheet": (partial(sheets.draw_pictures, kind="sheet"), "Images"),
}
"""Name of a figure -> how it is drawn, and what stands under it; in the order of the page, pictures last."""
SETTINGS: dict[Any, Any] = {
    **{"text.parse_math": False, "svg.fonttype": "none", "svg.hashsalt": "mri-robust"},
    **{"figure.dpi": 150, "figure.constrained_layout.use": True, "figure.titlesize": 11, "lines.markersize": 5},
    **{"axes.titlesize": 9.5, "axes.labelsize": 9, "xtick.labelsize": 8, "ytick.labelsize": 8, "legend.fontsize": 8},
    **{"axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "grid.alpha": 0.25},
}
"""A `$` in a class name is a dollar; text in an SVG is text; one figure is always the same file."""


class Drawing(NamedTuple):
    """A figure in its file: its name, what stands under it, its path without an ending, and whether it shows images."""

    name: str
    caption: str
    path: Path
    photograph: bool


def write_figures(results: ResultsFolder, experiment: Mapping[str, Any], protocols: Iterable[str]) -> list[Drawing]:
    """Draw every figure of an experiment into `figures/`, as PNG and SVG; the protocols of one beside each other."""
    found = []
    for protocol in protocols:
        for name, figure in draw_all(results, experiment, protocol).items():
            path = results.path / "figures" / f"{experiment['name']}-{protocol}-{name}"
            save(figure, path)
            found.append(Drawing(name, f"{KINDS[name][1]}, protocol {protocol}", path, isinstance(figure, Image)))
    return sorted(found, key=lambda drawing: list(KINDS).index(drawing.name))


def draw_all(results: ResultsFolder, experiment: Mapping[str, Any], protocol: str) -> dict[str, Figure | Image]:
    """Name -> figure, of every kind for which an experiment, as `run.json` describes it, has something to show."""
    view = View(results, experiment, protocol)
    with rc_context(SETTINGS):
        drawn = {name: figure for name, (draw, _) in KINDS.items() if (figure := draw(view)) is not None}
        for figure in drawn.values():
            if isinstance(figure, Figure):  # a long title takes as many lines as the width needs
                figure.suptitle(textwrap.fill(view.title, max(int(figure.get_figwidth() * 11), 20)), color=INK)
    return drawn


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
