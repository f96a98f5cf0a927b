"""A sheet of near duplicates side by side, for the eyes of whoever checks them."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mri_robust.core.files import written_aside
from mri_robust.data.dataset import Dataset
from mri_robust.data.layout import shown

COLUMNS, MOST = 4, 24
_LONGEST = 24


def telling_pairs(findings: pd.DataFrame, group: pd.Series) -> pd.DataFrame:
    """The pairs to look at first, at most `MOST`.

    Label conflicts come first. Then, from every group of images one pair: those between training and test before those
    within a split, and where there are too many, spread from the nearest to the farthest, so that the last ones show
    how much alike pictures at the limit are.

    Args:
        findings: see `Audit.findings`.
        group: file name -> its group.
    """
    conflicts = findings[findings["kind"] == "label conflict"].head(MOST)
    near = findings[(findings["kind"] == "near") & (findings["class"] == findings["other_class"])]
    near = near.assign(group=near["file"].map(group), within=near["split"] == near["other_split"])
    # The farthest pair of a group says more than its nearest, which may be the same file re-encoded.
    near = near.sort_values(["within", "distance"], ascending=[True, False], kind="stable").drop_duplicates("group")
    room = MOST - len(conflicts)
    between, within = near[~near["within"]], near[near["within"]]
    chosen = _spaced(between, room)
    chosen = pd.concat([chosen, _spaced(within, room - len(chosen))])
    return pd.concat([conflicts, chosen.sort_values("distance", kind="stable")])[list(findings.columns)]


def save_pairs(path: Path, pairs: pd.DataFrame, dataset: Dataset, *, title: str) -> None:
    """Write pairs to a PNG file: both images as they lie, their names, the distance and the flip between them.

    Args:
        path: the file to write.
        pairs: rows of `Audit.findings`, at least one.
        dataset: where the images are.
        title: the sheet's heading.
    """
    splits = (dataset.train, dataset.test)
    place = {name: image for split in splits for name, image in zip(split.names, split.images, strict=True)}
    columns = min(COLUMNS, len(pairs))
    rows = -(-len(pairs) // columns)
    figure = Figure(figsize=(3.5 * columns, 2.3 * rows + 0.4), dpi=110, layout="constrained", facecolor="white")
    cells = figure.subfigures(rows, columns, squeeze=False).ravel()
    listed = pairs[["kind", "file", "other_file", "distance", "flip"]].to_numpy().tolist()
    for cell, (kind, file, other, distance, flip) in zip(cells, listed, strict=False):
        left, right = cell.subplots(1, 2)
        _draw(left, place[file], file)
        _draw(right, place[other], other)
        left.set_title(_caption(kind, distance, flip), fontsize=8, loc="left")
    figure.suptitle(shown(title), fontsize=11, parse_math=False)
    # A name may have letters that the font lacks: they show as boxes, and the CSV file has them.
    with written_aside(path) as aside, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        figure.savefig(aside, format="png", metadata={"Software": None})


def _draw(axes: Axes, image: np.ndarray, name: str) -> None:
    axes.imshow(image.transpose(1, 2, 0).squeeze(), cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
    axes.set_xlabel(_label(name), fontsize=7, parse_math=False)


def _spaced(rows: pd.DataFrame, count: int) -> pd.DataFrame:
    """`count` rows whose distances are evenly spaced in their roots, as far as there are such; all if no more."""
    if len(rows) <= count:
        return rows
    roots = np.sqrt(rows["distance"].to_numpy())
    chosen: list[int] = []
    for target in np.linspace(roots.min(), roots.max(), count):
        gaps = np.abs(roots - target)
        gaps[chosen] = np.inf
        chosen.append(int(gaps.argmin()))
    return rows.iloc[sorted(chosen)]


def _label(name: str) -> str:
    """The folder and the file name, a line each, the ends of them where they are long."""
    parts = shown(name).split("/")
    lines = ["/".join(parts[:-1]), parts[-1]]
    return "\n".join(line if len(line) <= _LONGEST else f"…{line[1 - _LONGEST :]}" for line in lines)


def _caption(kind: str, distance: float, flip: str) -> str:
    parts = ["LABEL CONFLICT"] if kind == "label conflict" else []
    return ", ".join([*parts, f"distance {distance:.4f}", *([flip] if flip else [])])
