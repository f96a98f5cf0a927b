"""How well a score tells two kinds of images apart, whatever the threshold."""

from __future__ import annotations

from math import sqrt
from typing import Any

import numpy as np
from sklearn.metrics import roc_auc_score, roc_curve

from mri_robust.core.intervals import NORMAL_975, wilson
from mri_robust.evaluation.class_report import figure

CURVE_POINTS = 200


def caught_at(labels: np.ndarray, scores: np.ndarray, most: float, metric: str) -> dict[str, Any]:
    """A row for the greatest share of positives over a threshold that at most `most` of the negatives are over.

    Args:
        labels: int [N], 1 for a positive and 0 for a negative; there are both.
        scores: float [N].
        most: the false-positive rate.
        metric: its name.
    """
    fpr, tpr, _ = roc_curve(labels, scores, drop_intermediate=False)
    caught = float(tpr[fpr <= most].max())
    n = int(labels.sum())
    low, high = wilson(round(caught * n), n)
    return {**figure(metric, caught), "ci_low": low, "ci_high": high, "n": n}


def auc_row(labels: np.ndarray, scores: np.ndarray) -> dict[str, Any]:
    """A row for the area under the curve with its 95 % interval; arguments as `caught_at`."""
    auc, positives = float(roc_auc_score(labels, scores)), int(labels.sum())
    low, high = auc_interval(auc, positives, len(labels) - positives)
    return {**figure("auc", auc), "ci_low": low, "ci_high": high, "n": len(labels)}


def auc_interval(auc: float, positives: int, negatives: int) -> tuple[float, float]:
    """95 % interval of an area under the curve: the areas that the one found does not contradict, as Wilson's is.

    Solves |auc - t| = z sqrt(V(t)) for t by bisection, with V of Hanley and McNeil. Unlike auc ± z sqrt(V(auc)) it
    stays in [0, 1] and does not shrink to a point at 0 and 1.

    Source: R. G. Newcombe, "Confidence intervals for an effect size measure based on the Mann-Whitney statistic, part
    2", Statistics in Medicine 25 (2006), method 5.

    Args:
        auc: in [0, 1].
        positives, negatives: how many images of each kind, at least 1.
    """

    def beyond(t: float) -> bool:
        mean_less_one = (positives + negatives) / 2 - 1
        spread = t * (1 - t) * (1 + mean_less_one * ((1 - t) / (2 - t) + t / (1 + t))) / (positives * negatives)
        return abs(auc - t) > NORMAL_975 * sqrt(spread)

    ends = []
    for end in (0.0, 1.0):
        inside, outside = auc, end
        for _ in range(60):
            middle = (inside + outside) / 2
            inside, outside = (inside, middle) if beyond(middle) else (middle, outside)
        ends.append(end if outside == end else inside)
    return ends[0], ends[1]


def roc(name: str, labels: np.ndarray, scores: np.ndarray) -> dict[str, Any]:
    """The curve as plain data for figures: `name`, `fpr`, `tpr`, `auc`; arguments as `caught_at`."""
    fpr, tpr, _ = roc_curve(labels, scores)
    some = np.unique(np.linspace(0, len(fpr) - 1, CURVE_POINTS).astype(int))
    return {
        "name": name,
        "fpr": fpr[some].tolist(),
        "tpr": tpr[some].tolist(),
        "auc": float(roc_auc_score(labels, scores)),
    }
