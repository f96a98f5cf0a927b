"""Findings as one table, a row each, for whoever goes through the files."""

from __future__ import annotations

import numpy as np
import pandas as pd

from mri_robust.data.audit.near import FLIPS, Pairs

COLUMNS = ("kind", "split", "file", "other_split", "other_file", "class", "other_class", "distance", "flip")


def list_findings(images: pd.DataFrame, picture: np.ndarray, pairs: Pairs, unreadable: list[str]) -> pd.DataFrame:
    """Everything found on single images and pairs.

    Args:
        images: see `Audit.images`.
        picture: int64 [N], equal where two images are equal pixel for pixel, 0..P-1 in order of appearance.
        pairs: near pairs among the P pictures.
        unreadable: names of files that were left out.

    Returns:
        Columns `COLUMNS`; what does not apply is empty. Kinds, in this order:
        `label conflict`: two images of the same picture, exact or near, in two classes;
        `exact`: an image and an earlier one that it repeats pixel for pixel;
        `near`: two images of near pictures, each the first of those that are equal to it, with their `distance` (see
        `near.distance`) and the `flip` that makes them near; the nearest first;
        `colour`, `frame`: an image with such a feature (see `features.measure`);
        `unreadable`: a file that could not be read.
    """
    _, first = np.unique(picture, return_index=True)
    copies = np.setdiff1d(np.arange(len(picture)), first)
    exact = _pair_rows(images, first[picture[copies]], copies, np.zeros(len(copies)), np.zeros(len(copies), dtype=int))
    near = _pair_rows(images, first[pairs.first], first[pairs.second], pairs.distance, pairs.flip)
    near = near.sort_values("distance", kind="stable")
    alike = pd.concat([exact.assign(kind="exact"), near.assign(kind="near")])
    conflicts = alike[alike["class"] != alike["other_class"]].assign(kind="label conflict")
    marked = [images[images[kind] > 0][["split", "file", "class"]].assign(kind=kind) for kind in ("colour", "frame")]
    lost = pd.DataFrame({"kind": "unreadable", "file": unreadable}, dtype=object)
    return pd.concat([conflicts, alike, *marked, lost], ignore_index=True).reindex(columns=list(COLUMNS))


def _pair_rows(
    images: pd.DataFrame, one: np.ndarray, other: np.ndarray, distance: np.ndarray, flip: np.ndarray
) -> pd.DataFrame:
    left, right = (images[["split", "file", "class"]].iloc[each].reset_index(drop=True) for each in (one, other))
    rows = left.join(right.add_prefix("other_"))
    return rows.assign(distance=distance, flip=np.array(FLIPS)[flip])
