"""A trained model on test images with MRI artefacts of rising severity."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mri_robust.core.progress import OnImages
from mri_robust.core.rng import make_generator
from mri_robust.data.artefacts import ARTEFACTS
from mri_robust.data.dataset import Dataset
from mri_robust.evaluation.class_report import figure
from mri_robust.evaluation.measures.evasion import choose_images
from mri_robust.evaluation.pictures import png
from mri_robust.evaluation.prediction import BATCH, predicted_classes
from mri_robust.evaluation.rates import rates
from mri_robust.evaluation.subject import Subject
from mri_robust.evaluation.subsets import subsets
from mri_robust.training import to_unit_range


def measure_artefacts(
    parameters: Mapping[str, Any], subject: Subject, on_step: OnImages | None = None
) -> dict[str, Any]:
    """Spoil the test images, predict and count.

    Args:
        parameters: `artefacts` (names of `ARTEFACTS`), `levels` of severity, `images` (how many of the shuffled test
            images), `leak_free`, `pictures` (whether to keep an image under each artefact), `seed`. Images draw the
            same chance at every level of an artefact.
        subject: the model and its data.
        on_step: called with conditions done and conditions in all.

    Returns:
        `rows`: first the means over all conditions (see `_means`), then the rates of each artefact and level, level
        after level; `artefact_sheet`, the pictures (see `_sheet`), where they are wanted.
    """
    dataset = subject.dataset
    chosen = choose_images(len(dataset.test), parameters["images"])
    images, labels = dataset.test.images[chosen], dataset.test.labels[chosen]
    clean = predicted_classes(subject.model, images)
    conditions = [(name, level) for name in parameters["artefacts"] for level in parameters["levels"]]
    predicted = np.empty((len(conditions), len(images)), dtype=np.int64)
    for number, (name, level) in enumerate(conditions):
        predicted[number] = _predicted(subject.model, images, name, level, parameters["seed"])
        if on_step:
            on_step(number + 1, len(conditions))
    counted = subsets(dataset, parameters["leak_free"], chosen).items()
    means = [row for name, kept in counted for row in _means(dataset, labels, clean, predicted, name, kept)]
    classes, healthy = dataset.classes, dataset.healthy
    rows = [
        [row for name, kept in counted for row in rates(labels[kept], found[kept], classes, name, healthy)]
        for found in predicted
    ]
    sheet = {"artefact_sheet": _sheet(parameters, dataset)} if parameters["pictures"] else {}
    return {"rows": [means, *rows], **sheet}


def _predicted(model: nn.Module, images: np.ndarray, name: str, level: int, seed: int) -> np.ndarray:
    """int64 [N]: predicted classes of spoilt images."""
    artefact, generator = ARTEFACTS.load(name).severity(level), make_generator(seed, "artefact", name)
    batches = (_unit(images[begin : begin + BATCH]) for begin in range(0, len(images), BATCH))
    return np.concatenate([predicted_classes(model, artefact(batch, generator)) for batch in batches])


def _unit(images: np.ndarray) -> Tensor:
    return to_unit_range(torch.from_numpy(np.array(images)))


def _means(
    dataset: Dataset, labels: np.ndarray, clean: np.ndarray, predicted: np.ndarray, subset: str, kept: np.ndarray
) -> list[dict[str, Any]]:
    """Accuracy and missed tumours, each the mean over all conditions, and accuracy as a share of that on clean images.

    As ImageNet-C averages over corruptions and severities (arXiv 1903.12261), without its baseline network.

    Args:
        dataset: says which classes have no tumour.
        labels, clean: int64 [N], the true classes, and the predicted ones of the clean images.
        predicted: int64 [conditions, N].
        subset: what the images at `kept`, bool [N], are.
    """
    right, before = (predicted == labels)[:, kept], (clean == labels)[kept]
    rows = [_mean(right, "accuracy", subset)]
    if before.any():
        rows.append(figure("relative_accuracy", float(right.mean() / before.mean()), subset))
    tumours = kept & ~np.isin(labels, dataset.healthy)
    if dataset.healthy and tumours.any():
        rows.append(_mean(np.isin(predicted[:, tumours], dataset.healthy), "missed_tumour_rate", subset))
    return rows


def _mean(hits: np.ndarray, metric: str, subset: str) -> dict[str, Any]:
    """A row for the mean of hits, bool [conditions, N], over conditions and images.

    The conditions saw the same images: the normal interval is that of the images' own means.
    """
    shares = hits.mean(0)
    value, reach = float(shares.mean()), 1.96 * float(shares.std()) / math.sqrt(len(shares))
    bounds = {"ci_low": max(value - reach, 0.0), "ci_high": min(value + reach, 1.0), "n": len(shares)}
    return {**figure(metric, value, subset), **bounds}


def _sheet(parameters: Mapping[str, Any], dataset: Dataset) -> dict[str, Any]:
    """The first test image that shows a tumour, as base64 PNG: `clean`, its `class`, and `rows`, an artefact each."""
    place = int((~np.isin(dataset.test.labels, dataset.healthy)).argmax())
    image = _unit(dataset.test.images[place : place + 1])

    def spoilt(name: str, level: int) -> str:
        return png(ARTEFACTS.load(name).severity(level)(image, make_generator(parameters["seed"], "artefact", name))[0])

    return {
        "clean": png(image[0]),
        "class": dataset.classes[dataset.test.labels[place]],
        "rows": [
            {"artefact": name, "pictures": [spoilt(name, level) for level in parameters["levels"]]}
            for name in parameters["artefacts"]
        ],
    }


MEASURE = measure_artefacts
