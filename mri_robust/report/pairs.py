"""The pairs of images that whoever checks a data set looks at first."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from mri_robust.report.contact_sheet import Picture, Strip

if TYPE_CHECKING:
    from mri_robust.data.dataset import Dataset

MOST = 24
"""Pairs."""
CONFLICT = "#B34700"


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
    room, parts = MOST - len(conflicts), []
    for _, part in near.groupby("within"):
        ordered = part.sort_values("distance", kind="stable")
        roots = np.sqrt(ordered["distance"].to_numpy())
        spread = np.searchsorted(roots, np.linspace(roots[0], roots[-1], room))
        places = list(dict.fromkeys([*spread.tolist(), *range(len(part))]))[:room]
        parts.append(ordered.iloc[places])
        room -= len(places)
    chosen = pd.concat(parts).sort_values("distance", kind="stable") if parts else near
    return pd.concat([conflicts, chosen])[list(findings.columns)]


def pair_strips(pairs: pd.DataFrame, dataset: Dataset) -> list[Strip]:
    """A strip per pair: both images as they lie, under them their names, above them distance and flip.

    Args:
        pairs: rows of `Audit.findings`.
        dataset: where the images are.
    """
    images = {
        name: image
        for split in (dataset.train, dataset.test)
        for name, image in zip(split.names, split.images, strict=True)
    }
    strips: list[Strip] = []
    for row in pairs.to_dict("records"):
        conflict = row["kind"] == "label conflict"
        words = ["LABEL CONFLICT" if conflict else "", f"distance {row['distance']:.4f}", row["flip"]]
        files = (row["file"], row["other_file"])
        pictures = [
            Picture(images[file], "/\n".join(file.rsplit("/", 1)), CONFLICT if conflict else "") for file in files
        ]
        strips.append((", ".join(word for word in words if word), pictures))
    return strips
