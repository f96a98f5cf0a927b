"""A row: one number with everything that decides it, as a dict of columns; and the usual rows of predictions."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from sklearn.metrics import f1_score, roc_auc_score, roc_curve

from mri_robust.core.intervals import alone, rate_interval
from mri_robust.core.rng import make_generator
from mri_robust.data.audit import leaked_test_images
from mri_robust.data.dataset import Dataset
from mri_robust.evaluation.statistics import auc_interval, auc_over_patients

Row = dict[str, Any]
"""Columns: `metric`, `value`, `ci_low`, `ci_high`, `n`; `subset` and `class` of the images counted; whatever else
decides the number (`attack`, `epsilon`, `severity`, ...). `right`, on an accuracy, has a `1` for each image that the
model gets right and a `0` for each other of those that `choose_images` takes; it stays out of the CSV."""

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


def share(
    hits: np.ndarray, metric: str, subset: str = "all", *, patients: np.ndarray | None = None, **factors: Any
) -> Row:
    """A share of images with its 95 % interval, see `rate_interval`; hits bool [N], N at least 1.

    `patients`, int [N], are those of the images, `Split.whose`; without them each image counts by itself.
    """
    count, n = int(hits.sum()), len(hits)
    return figure(metric, count / n, subset, rate_interval(hits, patients), n, **factors)


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
    masks, patients = subsets(dataset, leak_free, places), dataset.test.whose(slice(None) if places is None else places)
    return [share(hits[kept], metric, subset, patients=patients[kept], **factors) for subset, kept in masks.items()]


def rates(
    labels: np.ndarray,
    predicted: np.ndarray,
    dataset: Dataset,
    subset: str,
    *,
    patients: np.ndarray | None = None,
    **factors: Any,
) -> list[Row]:
    """Accuracy, missed-tumour rate and the recall of each class; labels and predictions int [N], N at least 1.

    Where some of the data set's classes have no tumour, the missed-tumour rate is the share of the images of other
    classes that are called one of these. `subset` says what the images are (`all`, `leak-free`); for `patients` see
    `share`.
    """
    right, healthy, who = labels == predicted, dataset.healthy, people_of(labels, patients)
    rows = [share(right, "accuracy", subset, patients=who, **factors)]
    tumours = ~np.isin(labels, healthy)
    if healthy and tumours.any():
        missed = np.isin(predicted[tumours], healthy)
        rows.append(share(missed, "missed_tumour_rate", subset, patients=who[tumours], **factors))
    for index, name in enumerate(dataset.classes):
        if (members := labels == index).any():
            of_class = {**factors, "class": name}
            rows.append(share(right[members], "recall", subset, patients=who[members], **of_class))
    return rows


def people_of(images: np.ndarray, patients: np.ndarray | None) -> np.ndarray:
    """Of whom each of N images is, int [N]: where nobody knows, each of its own."""
    return np.arange(len(images)) if patients is None else patients


def rates_by_subset(
    predicted: np.ndarray, dataset: Dataset, leak_free: bool, places: np.ndarray, **factors: Any
) -> Iterator[Row]:
    """`rates` over each of the `subsets` of the test images at `places`, int [N], which are called `predicted` [N]."""
    labels, who = dataset.test.labels[places], dataset.test.whose(places)
    for subset, kept in subsets(dataset, leak_free, places).items():
        yield from rates(labels[kept], predicted[kept], dataset, subset, patients=who[kept], **factors)


def precision_rows(
    labels: np.ndarray,
    predicted: np.ndarray,
    classes: Sequence[str],
    subset: str = "all",
    *,
    patients: np.ndarray | None = None,
    **factors: Any,
) -> Iterator[Row]:
    """Precision and F1 of each class; for `patients` see `share`.

    A class that is never predicted has precision 0, as scikit-learn prints it, over n = 0 images and without an
    interval. F1 has no interval: it is no share of images.
    """
    f1 = f1_score(labels, predicted, labels=range(len(classes)), average=None, zero_division=0.0)
    for index, name in enumerate(classes):
        columns, called = {**factors, "class": name}, predicted == index
        if called.any():
            who = people_of(labels, patients)[called]
            yield share((labels == index)[called], "precision", subset, patients=who, **columns)
        else:
            yield figure("precision", 0.0, subset, n=0, **columns)
        yield figure("f1", float(f1[index]), subset, n=int((labels == index).sum()), **columns)


def class_rows(predicted: np.ndarray, dataset: Dataset, leak_free: bool, **factors: Any) -> Iterator[Row]:
    """`rates` and `precision_rows` of the whole test set, over each of its `subsets`."""
    labels = dataset.test.labels
    for subset, kept in subsets(dataset, leak_free).items():
        how = {**factors, "patients": dataset.test.whose(kept)}
        yield from rates(labels[kept], predicted[kept], dataset, subset, **how)
        yield from precision_rows(labels[kept], predicted[kept], dataset.classes, subset, **how)


def auc_row(labels: np.ndarray, scores: np.ndarray, *, patients: np.ndarray | None = None, **factors: Any) -> Row:
    """Area under the ROC curve with its 95 % interval; for `patients` see `share`.

    `labels` [N] are 1 or true for a positive, 0 or false for a negative, and there are both; `scores`, float [N], are
    greater for likelier positives.
    """
    auc, positives = float(roc_auc_score(labels, scores)), int(labels.sum())
    interval = auc_interval(auc, positives, len(labels) - positives)
    if patients is not None and not alone(patients):
        interval = auc_over_patients(labels, scores, patients) or interval
    return figure("auc", auc, interval=interval, n=len(labels), **factors)


def caught_row(
    labels: np.ndarray,
    scores: np.ndarray,
    most: float,
    metric: str,
    *,
    patients: np.ndarray | None = None,
    **factors: Any,
) -> Row:
    """The greatest share of positives over a threshold that at most a share `most` of the negatives are over.

    The interval takes the threshold as it is; for `patients` see `share`.
    """
    fpr, tpr, thresholds = roc_curve(labels, scores, drop_intermediate=False)
    positive, threshold = labels.astype(bool), thresholds[fpr <= most][tpr[fpr <= most].argmax()]
    caught, who = (scores >= threshold)[positive], people_of(labels, patients)[positive]
    return share(caught, metric, patients=who, **factors)


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
