"""A row: one number with everything that decides it, as a dict of columns; and the usual rows of predictions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from sklearn.metrics import f1_score, roc_auc_score, roc_curve

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
    return figure(metric, count / n, subset, wilson(count, n), n, **factors)


def figure(
    metric: str,
    value: float,
    subset: str = "all",
    interval: tuple[float | None, float | None] = (None, None),
    n: int | None = None,
    **factors: Any,
) -> Row:
    """A number with its interval and the count of images behind it, where it has them."""
    number = {"metric": metric, "value": value, "ci_low": interval[0], "ci_high": interval[1], "n": n}
    return {"subset": subset, "class": "", **factors, **number}


def shares(
    hits: np.ndarray, metric: str, dataset: Dataset, leak_free: bool, places: np.ndarray | None = None, **factors: Any
) -> list[Row]:
    """`share` over each of the `subsets` of the test images at `places`, or of all; hits are theirs."""
    masks = subsets(dataset, leak_free, places)
    return [share(hits[kept], metric, subset, **factors) for subset, kept in masks.items()]


def rates(labels: np.ndarray, predicted: np.ndarray, dataset: Dataset, subset: str, **factors: Any) -> list[Row]:
    """Accuracy, missed-tumour rate and the recall of each class; labels and predictions int [N], N at least 1.

    Where some of the data set's classes have no tumour, the missed-tumour rate is the share of the images of other
    classes that are called one of these. `subset` says what the images are (`all`, `leak-free`).
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
    labels: np.ndarray, predicted: np.ndarray, classes: Sequence[str], subset: str = "all", **factors: Any
) -> Iterator[Row]:
    """Precision and F1 of each class.

    A class that is never predicted has precision 0, as scikit-learn prints it, over n = 0 images and without an
    interval. F1 has no interval: it is no share of images.
    """
    f1 = f1_score(labels, predicted, labels=range(len(classes)), average=None, zero_division=0.0)
    for index, name in enumerate(classes):
        columns, hits = {**factors, "class": name}, (labels == index)[predicted == index]
        none = figure("precision", 0.0, subset, n=0, **columns)
        yield share(hits, "precision", subset, **columns) if len(hits) else none
        yield figure("f1", float(f1[index]), subset, n=int((labels == index).sum()), **columns)


def class_rows(predicted: np.ndarray, dataset: Dataset, leak_free: bool, **factors: Any) -> Iterator[Row]:
    """`rates` and `precision_rows` of the whole test set, over each of its `subsets`."""
    labels = dataset.test.labels
    for subset, kept in subsets(dataset, leak_free).items():
        yield from rates(labels[kept], predicted[kept], dataset, subset, **factors)
        yield from precision_rows(labels[kept], predicted[kept], dataset.classes, subset, **factors)


def auc_row(labels: np.ndarray, scores: np.ndarray, **factors: Any) -> Row:
    """Area under the ROC curve with its 95 % interval.

    `labels` [N] are 1 or true for a positive, 0 or false for a negative, and there are both; `scores`, float [N], are
    greater for likelier positives.
    """
    auc, positives = float(roc_auc_score(labels, scores)), int(labels.sum())
    interval = auc_interval(auc, positives, len(labels) - positives)
    return figure("auc", auc, interval=interval, n=len(labels), **factors)


def caught_row(labels: np.ndarray, scores: np.ndarray, most: float, metric: str, **factors: Any) -> Row:
    """The greatest share of positives over a threshold that at most a share `most` of the negatives are over."""
    fpr, tpr, _ = roc_curve(labels, scores, drop_intermediate=False)
    caught, n = float(tpr[fpr <= most].max()), int(labels.sum())
    return figure(metric, caught, interval=wilson(round(caught * n), n), n=n, **factors)


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
    return draw(available, wanted, make_generator(seed, "test order"))


def draw(available: int, count: int, generator: torch.Generator) -> np.ndarray:
    """At most `count` of the numbers below `available`, int64 [n], sorted."""
    return np.sort(torch.randperm(available, generator=generator)[:count].numpy())
