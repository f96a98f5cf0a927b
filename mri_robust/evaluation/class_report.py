"""Precision, recall and F1 of each class, as rows of the result table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from mri_robust.core.intervals import wilson
from mri_robust.evaluation.rates import rates


def class_report(
    labels: np.ndarray,
    predicted: np.ndarray,
    classes: tuple[str, ...],
    subset: str,
    healthy: Sequence[int] | None = None,
) -> list[dict[str, Any]]:
    """The rows of `rates`, and precision and F1 of each class.

    A class that is never predicted has precision 0, as scikit-learn prints it, over n = 0 images and without an
    interval. F1 has no interval: it is no share of images.

    Args:
        labels, predicted: int [N], N at least 1.
        classes: class names.
        subset: what the images are (`all`, `leak-free`).
        healthy: see `rates`.
    """
    rows = rates(labels, predicted, classes, subset, healthy)
    indices = list(range(len(classes)))
    precision, _, f1, _ = precision_recall_fscore_support(labels, predicted, labels=indices, zero_division=0.0)
    for index, name in enumerate(classes):
        called = predicted == index
        n = int(called.sum())
        low, high = wilson(int((called & (labels == index)).sum()), n) if n else (None, None)
        row = {"subset": subset, "class": name}
        rows.append(
            {**row, "metric": "precision", "value": float(precision[index]), "ci_low": low, "ci_high": high, "n": n}
        )
        support = int((labels == index).sum())
        rows.append({**row, "metric": "f1", "value": float(f1[index]), "ci_low": None, "ci_high": None, "n": support})
    return rows


def confusion(name: str, labels: np.ndarray, predicted: np.ndarray, classes: tuple[str, ...]) -> dict[str, Any]:
    """A confusion matrix as plain data: counts[true][predicted]."""
    counts = confusion_matrix(labels, predicted, labels=list(range(len(classes))))
    return {"name": name, "classes": list(classes), "counts": counts.tolist()}


def figure(metric: str, value: float, subset: str = "all") -> dict[str, Any]:
    """A row for a figure that is no share of images."""
    return {
        "subset": subset,
        "class": "",
        "metric": metric,
        "value": value,
        "ci_low": None,
        "ci_high": None,
        "n": None,
    }
