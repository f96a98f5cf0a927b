"""A model on test images with MRI artefacts of rising severity."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mri_robust.data.artefacts import ARTEFACTS, WORST, severity
from mri_robust.data.dataset import Dataset
from mri_robust.evaluation.evaluation import Context, Evaluation
from mri_robust.evaluation.pictures import cell, strip
from mri_robust.evaluation.prediction import BATCH, predicted_classes
from mri_robust.evaluation.rows import Row, choose_images, figure, rates, subsets
from mri_robust.training import to_unit_range

LEVELS = tuple(range(1, WORST + 1))


@dataclass(frozen=True)
class Artefacts(Evaluation):
    """Spoil the test images, predict and count. Images draw the same random numbers at every level of an artefact.

    Attributes:
        images: how many of the shuffled test images.
        pictures: also keep a test image under each artefact.
    """

    images: int
    pictures: bool = False

    def __call__(self, context: Context) -> Iterator[Row]:
        """First the means over all artefacts and levels, then the rates of each, level after level."""
        dataset = context.dataset
        chosen = choose_images(len(dataset.test), self.images)
        images, labels = dataset.test.images[chosen], dataset.test.labels[chosen]
        clean = predicted_classes(context.model, images)
        conditions = [(name, level) for name in ARTEFACTS for level in LEVELS]
        predicted = np.empty((len(conditions), len(images)), dtype=np.int64)
        for number, (name, level) in enumerate(conditions):
            predicted[number] = self._predicted(context.model, images, name, level)
            context.on_step(number + 1, len(conditions))
        masks = subsets(dataset, self.leak_free, chosen)
        for subset, kept in masks.items():
            yield from _means(dataset, labels, clean, predicted, subset, kept)
        for (name, level), called in zip(conditions, predicted, strict=True):
            for subset, kept in masks.items():
                yield from rates(labels[kept], called[kept], dataset, subset, attack=name, severity=level)
        if self.pictures:
            context.artefacts["sheet"] = self._sheet(dataset)

    def _predicted(self, model: nn.Module, images: np.ndarray, name: str, level: int) -> np.ndarray:
        """int64 [N]: predicted classes of spoilt images."""
        artefact, generator = severity(name, level), self.generator("artefact", name)
        batches = (_unit(images[begin : begin + BATCH]) for begin in range(0, len(images), BATCH))
        return np.concatenate([predicted_classes(model, artefact(batch, generator)) for batch in batches])

    def _sheet(self, dataset: Dataset) -> list[dict[str, Any]]:
        """The first test image that shows a tumour, clean and under each artefact and level."""
        place = int((~np.isin(dataset.test.labels, dataset.healthy)).argmax())
        image = _unit(dataset.test.images[place : place + 1])

        def spoilt(name: str, level: int) -> dict[str, Any]:
            changed = severity(name, level)(image, self.generator("artefact", name))
            return cell(changed[0], f"severity {level}")

        clean = strip("clean", [cell(image[0], dataset.classes[dataset.test.labels[place]])])
        return [clean, *(strip(name, [spoilt(name, level) for level in LEVELS]) for name in ARTEFACTS)]


def _unit(images: np.ndarray) -> Tensor:
    return to_unit_range(torch.from_numpy(np.array(images)))


def _means(
    dataset: Dataset, labels: np.ndarray, clean: np.ndarray, predicted: np.ndarray, subset: str, kept: np.ndarray
) -> Iterator[Row]:
    """Accuracy and missed tumours, each the mean over all conditions, and accuracy as a share of that on clean images.

    As ImageNet-C averages over corruptions and severities (arXiv 1903.12261), without its baseline network.

    Args:
        dataset: says which classes have no tumour.
        labels, clean: int64 [N], the true classes, and the predicted ones of the clean images.
        predicted: int64 [conditions, N].
        subset: what the images at `kept`, bool [N], are.
    """
    right, before = (predicted == labels)[:, kept], (clean == labels)[kept]
    yield _mean(right, "accuracy", subset)
    if before.any():
        yield figure("relative_accuracy", float(right.mean() / before.mean()), subset, attack="artefacts")
    tumours = kept & ~np.isin(labels, dataset.healthy)
    if dataset.healthy and tumours.any():
        yield _mean(np.isin(predicted[:, tumours], dataset.healthy), "missed_tumour_rate", subset)


def _mean(hits: np.ndarray, metric: str, subset: str) -> Row:
    """The mean of hits, bool [conditions, N], over conditions and images.

    The conditions saw the same images: the normal interval is that of the images' own means.
    """
    shares = hits.mean(0)
    value, half = float(shares.mean()), 1.96 * float(shares.std()) / math.sqrt(len(shares))
    bounds = {"ci_low": max(value - half, 0.0), "ci_high": min(value + half, 1.0), "n": len(shares)}
    return figure(metric, value, subset, attack="artefacts") | bounds
