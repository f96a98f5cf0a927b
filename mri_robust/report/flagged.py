"""A sheet of the images that a snooping detector flagged, for the eyes of whoever checks them."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mri_robust.core.files import written_aside
from mri_robust.data.layout import shown

COLUMNS, MOST = 6, 48
_LONGEST = 26


def save_sheet(path: Path, images: np.ndarray, names: list[str], scores: np.ndarray, *, title: str) -> None:
    """Write the first `MOST` images to a PNG file, each with its score and the end of its file name under it.

    Args:
        path: the file to write.
        images: uint8 [N, C, S, S], C = 1 or 3, N at least 1, in the order to show them.
        names: N file names.
        scores: N scores in [0, 1].
        title: the sheet's heading.
    """
    shown_images = images[:MOST]
    columns = min(COLUMNS, max(len(shown_images), 3))
    rows = -(-len(shown_images) // columns)
    figure = Figure(figsize=(1.75 * columns, 2.2 * rows + 0.45), dpi=150, layout="constrained", facecolor="white")
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in grid:
        axes.set_axis_off()
    for axes, image, name, score in zip(grid, shown_images, names, scores, strict=False):
        _draw(axes, image, name, float(score))
    more = f" (the first {MOST})" if len(images) > MOST else ""
    figure.suptitle(shown(title) + more, fontsize=11, parse_math=False)
    # A name may have letters that the font lacks: they show as boxes, and the table and the CSV file have them.
    with written_aside(path) as aside, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        figure.savefig(aside, format="png", metadata={"Software": None})


def _draw(axes: Axes, image: np.ndarray, name: str, score: float) -> None:
    axes.set_axis_on()
    axes.imshow(image.transpose(1, 2, 0).squeeze(), cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
    name = shown(name)
    end = name if len(name) <= _LONGEST else f"…{name[1 - _LONGEST :]}"
    axes.set_xlabel(f"{score:.3f}\n{end}", fontsize=7, parse_math=False)
