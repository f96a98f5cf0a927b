"""A model on test images with MRI artefacts of rising severity."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from mri_robust.attacks.evasion.epsilon_sweep import BATCH
from mri_robust.core.intervals import alone, rate_interval
from mri_robust.core.validation import to_unit_range
from mri_robust.data.artefacts import ARTEFACTS, WORST, severity
from mri_robust.data.dataset import Dataset
from mri_robust.evaluation.evaluation import Context, Evaluation, predicted_classes
from mri_robust.evaluation.pictures import cell, strip
from mri_robust.evaluation.rows import Row, choose_images, figure, rates_by_subset, subsets

LEVELS = tuple(range(1, WORST + 1))


@dataclass(frozen=True)
class Artefacts(Evaluation):
    """Spoil the test images, predict and count. Images draw the same random numbers at every level of an artefact."""

    images: int  # how many of the shuffled test images
    pictures: bool = False  # also keep a test image under each artefact

    def __call__(self, context: Context) -> Iterator[Row]:
        """First the means over all artefacts and levels, then the rates of each, level after level."""
        dataset = context.dataset
        chosen = choose_images(len(dataset.test), self.images)
        images, labels = dataset.test.images[chosen], dataset.test.labels[chosen]
        clean = predicted_classes(context.model, images)
        conditions = [(name, level) for name in ARTEFACTS for level in LEVELS]
        predicted = np.empty((len(conditions), len(images)), dtype=np.int64)
        for called, (name, level) in zip(predicted, context.steps(conditions), strict=True):
            artefact, generator = severity(name, level), self.generator("artefact", name)
            for begin in range(0, len(images), BATCH):
                spoilt = artefact(to_unit_range(images[begin : begin + BATCH]), generator)
                called[begin : begin + BATCH] = predicted_classes(context.model, spoilt)
        masks, who = subsets(dataset, self.leak_free, chosen), dataset.test.whose(chosen)
        for subset, kept in masks.items():
            yield from _means(dataset, labels[kept], clean[kept], predicted[:, kept], subset, who[kept])
        for (name, level), called in zip(conditions, predicted, strict=True):
            yield from rates_by_subset(called, dataset, self.leak_free, chosen, attack=name, severity=level)
        if self.pictures:
            context.artefacts["sheet"] = self._sheet(dataset)

    def _sheet(self, dataset: Dataset) -> list[dict[str, Any]]:
        """The first test image that shows a tumour, clean and under each artefact and level."""
        place = int((~np.isin(dataset.test.labels, dataset.healthy)).argmax())
        image = to_unit_range(dataset.test.images[place : place + 1])

        def spoilt(name: str, level: int) -> dict[str, Any]:
            changed = severity(name, level)(image, self.generator("artefact", name))
            return cell(changed[0], f"severity {level}")

        clean = strip("clean", [cell(image[0], dataset.classes[dataset.test.labels[place]])])
        return [clean, *(strip(name, [spoilt(name, level) for level in LEVELS]) for name in ARTEFACTS)]


def _means(
    dataset: Dataset,
    labels: np.ndarray,
    clean: np.ndarray,
    predicted: np.ndarray,
    subset: str,
    patients: np.ndarray,
) -> Iterator[Row]:
    """Accuracy and missed tumours, each the mean over all conditions, and accuracy as a share of that on clean images.

    As ImageNet-C averages over corruptions and severities (arXiv 1903.12261), without its baseline network. Classes are
    int64: the true ones and those predicted of the clean images, [N], and those `predicted`, [conditions, N]. For
    `patients`, int [N], see `share`.
    """
    right, before = predicted == labels, (clean == labels).mean()
    yield _mean(right, "accuracy", subset, patients)
    if before:
        yield figure("relative_accuracy", float(right.mean() / before), subset, attack="artefacts")
    tumours = ~np.isin(labels, dataset.healthy)
    if dataset.healthy and tumours.any():
        missed = np.isin(predicted[:, tumours], dataset.healthy)
        yield _mean(missed, "missed_tumour_rate", subset, patients[tumours])


def _mean(hits: np.ndarray, metric: str, subset: str, patients: np.ndarray) -> Row:
    """The mean of hits, bool [conditions, N], over conditions and images.

    The conditions saw the same images: the interval is that of the images' own means, normal, or where patients have
    several images, that of `rate_interval`.
    """
    shares = hits.mean(0)
    value, half = float(shares.mean()), 1.96 * float(shares.std()) / math.sqrt(len(shares))
    normal = max(value - half, 0.0), min(value + half, 1.0)
    interval = normal if alone(patients) else rate_interval(shares, patients)
    return figure(metric, value, subset, interval, len(shares), attack="artefacts")
