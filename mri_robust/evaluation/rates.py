"""Rates of one set of predictions, each with its interval."""

from __future__ import annotations

from typing import Any

import numpy as np

from mri_robust.core.intervals import wilson

NO_TUMOUR = ("notumor", "no_tumor", "no-tumor", "notumour", "no_tumour", "healthy", "normal")
"""Names of the class without a tumour."""


def rates(labels: np.ndarray, predicted: np.ndarray, classes: tuple[str, ...], subset: str) -> list[dict[str, Any]]:
    """Accuracy, missed-tumour rate and the recall of each class, as rows of the result table.

    Args:
        labels, predicted: int [N], N at least 1.
        classes: class names; the missed-tumour rate needs one of `NO_TUMOUR` among them.
        subset: what the images are (`all`, `leak-free`).

    Returns:
        Rows with `subset`, `class`, `metric`, `value`, `ci_low`, `ci_high`, `n`.
    """
    right = labels == predicted
    rows = [share(right, "accuracy", subset)]
    healthy = [index for index, name in enumerate(classes) if name.lower() in NO_TUMOUR]
    if healthy:
        tumours = labels != healthy[0]
        rows += [share(predicted[tumours] == healthy[0], "missed_tumour_rate", subset)] if tumours.any() else []
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
