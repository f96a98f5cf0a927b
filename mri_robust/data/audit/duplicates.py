"""From pictures and near pairs to counts: pairs, groups, repeated images, test images seen in training."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from mri_robust.data.audit.near import Pairs

DEGREES = ("pixel for pixel", "near, upright", "near, flips too")
"""How alike two images must be to count as one picture; each takes in those before it."""


@dataclass(frozen=True)
class Duplicates:
    """Images that show the same picture.

    Attributes:
        table: a row each of `DEGREES`; columns `pairs_train`, `pairs_test`, `pairs_between` (of images),
            `repeats_train`, `repeats_test` (images that follow another of their group in the same split),
            `seen` (test images with a twin in training), `groups` (of two images or more), `largest` (images of
            the largest group, 0 without groups).
        group: int64 [N], the group of every image at the last of `DEGREES`; images without a twin have one alone.
        twin: [N] of a test image the first of `DEGREES` at which it has a twin in training, else empty.
    """

    table: pd.DataFrame
    group: np.ndarray
    twin: np.ndarray


def count_duplicates(picture: np.ndarray, is_test: np.ndarray, pairs: Pairs) -> Duplicates:
    """Count what stands twice.

    Args:
        picture: int64 [N], equal where two images are equal pixel for pixel, 0..P-1.
        is_test: bool [N].
        pairs: near pairs among the P pictures.
    """
    pictures = int(picture.max()) + 1
    train, test = (np.bincount(picture[part], minlength=pictures) for part in (~is_test, is_test))
    twin = np.full(len(picture), "", dtype=object)
    rows = []
    for degree, kept in zip(DEGREES, (pairs.flip < 0, pairs.flip == 0, pairs.flip >= 0), strict=True):
        one, other = pairs.first[kept], pairs.second[kept]
        group = groups(pictures, one, other)[picture]
        reached = train > 0
        reached[one[train[other] > 0]] = True
        reached[other[train[one] > 0]] = True
        seen = is_test & reached[picture]
        twin[seen & (twin == "")] = degree
        sizes = np.bincount(group)
        rows.append(
            {
                "pairs_train": _twice(train) + int((train[one] * train[other]).sum()),
                "pairs_test": _twice(test) + int((test[one] * test[other]).sum()),
                "pairs_between": int(
                    (train * test).sum() + (train[one] * test[other] + test[one] * train[other]).sum()
                ),
                "repeats_train": _repeats(group[~is_test]),
                "repeats_test": _repeats(group[is_test]),
                "seen": int(seen.sum()),
                "groups": int((sizes > 1).sum()),
                "largest": int(sizes.max()) if sizes.max() > 1 else 0,
            }
        )
    return Duplicates(pd.DataFrame(rows, index=list(DEGREES)), group, twin)


def groups(count: int, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """The connected parts of a graph, by union-find.

    Args:
        count: number of nodes.
        first, second: int64 [E], the ends of its edges.

    Returns:
        int64 [count], equal for connected nodes: the number of the part's first node.
    """
    parent = list(range(count))

    def root(node: int) -> int:
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    for one, other in zip(first.tolist(), second.tolist(), strict=True):
        low, high = sorted((root(one), root(other)))
        parent[high] = low
    return np.array([root(node) for node in range(count)], dtype=np.int64)


def _twice(counts: np.ndarray) -> int:
    """Pairs within heaps of these sizes."""
    return int((counts * (counts - 1) // 2).sum())


def _repeats(group: np.ndarray) -> int:
    return len(group) - len(np.unique(group))
