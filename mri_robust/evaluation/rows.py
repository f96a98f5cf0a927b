"""A row: one number with everything that decides it, as a dict of columns; and the usual rows of predictions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from sklearn.metrics import precision_recall_fscore_support, roc_auc_score, roc_curve

from mri_robust.core.intervals import wilson
from mri_robust.core.rng import make_generator
from mri_robust.data.audit import leaked_test_images
from mri_robust.data.dataset import Dataset
from mri_robust.evaluation.statistics import auc_interval

Row = dict[str, Any]
"""Columns: `metric`, `value`, `ci_low`, `ci_high`, `n`; `subset` and `class` of the images counted; whatever else
decides the number (`attack`, `epsilon`, `severity`, ...). `right`, on an accuracy, has a `1` for each image that the
model gets right and a `0` for each other; it stays out of the CSV."""

LEADING = (
    *("experiment", "protocol", "dataset", "scale", "seed", "model", "weights", "attack", "engine"),
    *("epsilon", "alpha", "steps"),
)
"""Columns that every table has, before the factors of its own."""
TRAILING = ("subset", "class", "metric", "value", "ci_low", "ci_high", "n", "paper")
ORDER_SEED = 42
"""The study's seed: it decides which test images are taken where not all are."""
CURVE_POINTS = 200


def tidy(rows: Iterable[Row]) -> pd.DataFrame:
    """One line per row: what every table has, further factors in the order in which they come, and the number.

    A number that two evaluations give, such as the accuracy on the clean images, stands once.
    """
    table = pd.DataFrame(list(rows))
    for column in (*LEADING, *TRAILING):
        if column not in table:
            table[column] = None
    factors = [name for name in table.columns if name not in (*LEADING, *TRAILING, "right")]
    table = table[[*LEADING, *factors, *TRAILING]].drop_duplicates()
    return table.astype(dict.fromkeys(("seed", "steps", "n"), "Int64"))


def share(hits: np.ndarray, metric: str, subset: str = "all", **factors: Any) -> Row:
    """A share of images with its 95 % Wilson interval; hits bool [N], N at least 1."""
    count, n = int(hits.sum()), len(hits)
    low, high = wilson(count, n)
    return {"subset": subset, "class": "", **factors, **_number(metric, count / n, low, high, n)}


def figure(metric: str, value: float, subset: str = "all", **factors: Any) -> Row:
    """A number that is no share of images."""
    return {"subset": subset, "class": "", **factors, **_number(metric, value)}


def rates(labels: np.ndarray, predicted: np.ndarray, dataset: Dataset, subset: str, **factors: Any) -> list[Row]:
    """Accuracy, missed-tumour rate and the recall of each class.

    Args:
        labels, predicted: int [N], N at least 1.
        dataset: names the classes and says which have no tumour. Where some have none, the missed-tumour rate is the
            share of the images of other classes that are called one of these.
        subset: what the images are (`all`, `leak-free`).
        factors: further columns.
    """
    right, healthy = labels == predicted, dataset.healthy
    rows = [share(right, "accuracy", subset, **factors)]
    tumours = ~np.isin(labels, healthy)
    if healthy and tumours.any():
        rows.append(share(np.isin(predicted[tumours], healthy), "missed_tumour_rate", subset, **factors))
    for index, name in enumerate(dataset.classes):
        members = labels == index
        rows += [share(right[members], "recall", subset, **{**factors, "class": name})] if members.any() else []
    return rows


def precision_rows(
    labels: np.ndarray, predicted: np.ndarray, classes: Sequence[str], subset: str, **factors: Any
) -> list[Row]:
    """Precision and F1 of each class.

    A class that is never predicted has precision 0, as scikit-learn prints it, over n = 0 images and without an
    interval. F1 has no interval: it is no share of images.
    """
    indices = list(range(len(classes)))
    _, _, f1, support = precision_recall_fscore_support(labels, predicted, labels=indices, zero_division=0.0)
    rows = []
    for index, name in enumerate(classes):
        columns = {**factors, "class": name}
        called = predicted == index
        hits = (labels == index)[called]
        rows.append(
            share(hits, "precision", subset, **columns)
            if len(hits)
            else figure("precision", 0.0, subset, **columns) | {"n": 0}
        )
        rows.append(figure("f1", float(f1[index]), subset, **columns) | {"n": int(support[index])})
    return rows


def auc_row(labels: np.ndarray, scores: np.ndarray, **factors: Any) -> Row:
    """Area under the ROC curve with its 95 % interval.

    Args:
        labels: int [N], 1 for a positive and 0 for a negative; there are both.
        scores: float [N], greater for likelier positives.
        factors: further columns.
    """
    auc, positives = float(roc_auc_score(labels, scores)), int(labels.sum())
    low, high = auc_interval(auc, positives, len(labels) - positives)
    return figure("auc", auc, **factors) | {"ci_low": low, "ci_high": high, "n": len(labels)}


def caught_row(labels: np.ndarray, scores: np.ndarray, most: float, metric: str, **factors: Any) -> Row:
    """The greatest share of positives over a threshold that at most a share `most` of the negatives are over."""
    fpr, tpr, _ = roc_curve(labels, scores, drop_intermediate=False)
    caught, n = float(tpr[fpr <= most].max()), int(labels.sum())
    low, high = wilson(round(caught * n), n)
    return figure(metric, caught, **factors) | {"ci_low": low, "ci_high": high, "n": n}


def roc_points(name: str, labels: np.ndarray, scores: np.ndarray) -> dict[str, Any]:
    """The ROC curve as plain data: `name`, `fpr`, `tpr`, `auc`; arguments as `auc_row`."""
    fpr, tpr, _ = roc_curve(labels, scores)
    some = np.unique(np.linspace(0, len(fpr) - 1, CURVE_POINTS).astype(int))
    return {
        "name": name,
        "fpr": fpr[some].tolist(),
        "tpr": tpr[some].tolist(),
        "auc": float(roc_auc_score(labels, scores)),
    }


def subsets(dataset: Dataset, leak_free: bool, chosen: np.ndarray | None = None) -> dict[str, np.ndarray]:
    """Name -> mask, bool [N], over the test images at `chosen`, or over all; without subsets that hold no image.

    `all`, and with `leak_free` also those that have no duplicate in training.
    """
    places = np.arange(len(dataset.test)) if chosen is None else chosen
    masks = {"all": np.ones(len(places), dtype=bool)}
    if leak_free:
        masks["leak-free"] = ~leaked_test_images(dataset)[places]
    return {name: mask for name, mask in masks.items() if mask.any()}


def choose_images(available: int, wanted: int, seed: int = ORDER_SEED) -> np.ndarray:
    """Sorted indices of the first `wanted` test images in an order shuffled by `seed`; all when none are left out.

    The seed is no model's: models of all training seeds are compared on the same images.
    """
    if wanted >= available:
        return np.arange(available)
    return np.sort(torch.randperm(available, generator=make_generator(seed, "test order"))[:wanted].numpy())


def draw(places: np.ndarray, count: int, generator: torch.Generator) -> np.ndarray:
    """At most `count` of the places, int [N], sorted."""
    order = torch.randperm(len(places), generator=generator).numpy()
    return np.sort(places[order[:count]])


def _number(
    metric: str, value: float, low: float | None = None, high: float | None = None, n: int | None = None
) -> dict[str, Any]:
    return {"metric": metric, "value": value, "ci_low": low, "ci_high": high, "n": n}
