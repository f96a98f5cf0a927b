"""Rates of one set of predictions, each with its interval."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mri_robust.core.intervals import wilson
from mri_robust.data.tumours import healthy_classes


def rates(
    labels: np.ndarray,
    predicted: np.ndarray,
    classes: tuple[str, ...],
    subset: str,
    healthy: Sequence[int] | None = None,
) -> list[dict[str, Any]]:
    """Accuracy, missed-tumour rate and the recall of each class, as rows of the result table.

    Args:
        labels, predicted: int [N], N at least 1.
        classes: class names.
        subset: what the images are (`all`, `leak-free`).
        healthy: the classes without a tumour; by their names when None. Without any there is no missed-tumour rate,
            which is the share of the images of other classes that are called one of these.

    Returns:
        Rows with `subset`, `class`, `metric`, `value`, `ci_low`, `ci_high`, `n`.
    """
    right = labels == predicted
    rows = [share(right, "accuracy", subset)]
    without = healthy_classes(classes) if healthy is None else healthy
    tumours = ~np.isin(labels, without)
    if len(without) and tumours.any():
        rows.append(share(np.isin(predicted[tumours], without), "missed_tumour_rate", subset))
    for index, name in enumerate(classes):
        members = labels == index
        rows += [share(right[members], "recall", subset, name)] if members.any() else []
    return rows


def share(hits: np.ndarray, metric: str, subset: str = "all", name: str = "") -> dict[str, Any]:
    """A row for a share of images, hits bool [N], N at least 1, of the class `name` where there is one."""
    count, n = int(hits.sum()), len(hits)
    low, high = wilson(count, n)
    return {
        "subset": subset,
        "class": name,
        "metric": metric,
        "value": count / n,
        "ci_low": low,
        "ci_high": high,
        "n": n,
    }
