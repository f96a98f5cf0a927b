"""Accuracy of a trained model under a list of evasion attacks."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import torch

from mri_robust.attacks.registry import EVASION
from mri_robust.core.progress import OnImages
from mri_robust.core.rng import make_generator
from mri_robust.core.registry import Spec
from mri_robust.data.dataset import Dataset
from mri_robust.evaluation.rates import rates
from mri_robust.evaluation.subject import Subject
from mri_robust.evaluation.subsets import subsets
from mri_robust.evaluation.survivors import library_attack
from mri_robust.evaluation.under_attack import Trial, predictions_under_attack

ORDER_SEED = 42
"""The study's seed."""


def measure_evasion(parameters: Mapping[str, Any], subject: Subject, on_step: OnImages | None = None) -> dict[str, Any]:
    """Attack the test images and count.

    Args:
        parameters: `shots` (attack, worst_case, then), `engine`, `images` (how many of the shuffled test images),
            `each_member`, `leak_free` (also count without the test images that stand in training), `seed`.
        subject: the model and its data.
        on_step: called with images done and images in all.

    Returns:
        `rows`: for each shot a list of rates (see `rates`); `right`: for each shot a text with a `1` for each attacked
        image that the model gets right and a `0` for each other.
    """
    dataset = subject.dataset
    chosen = choose_images(len(dataset.test), parameters["images"])

    def part(begin: int, end: int) -> list[list[int]]:
        return measure_part(parameters, subject, begin, end, on_step)

    predicted = np.concatenate(subject.spread(part, len(chosen)), axis=1)
    labels = dataset.test.labels[chosen]
    counted = subsets(dataset, parameters["leak_free"], chosen)
    return {
        "rows": [_rates_by_subset(labels, row, dataset, counted) for row in predicted],
        "right": ["".join("01"[int(hit)] for hit in row == labels) for row in predicted],
    }


def measure_part(
    parameters: Mapping[str, Any], subject: Subject, begin: int, end: int, on_step: OnImages | None = None
) -> list[list[int]]:
    """Predicted classes, a row a shot, of the attacked images from `begin`, a whole number of batches, to `end`."""
    test = subject.dataset.test
    chosen = choose_images(len(test), parameters["images"])
    some = chosen[begin:end]
    predicted = predictions_under_attack(
        subject.model,
        torch.from_numpy(np.array(test.images[some])),
        torch.from_numpy(test.labels[some]),
        [_trial(shot) for shot in parameters["shots"]],
        engine=parameters["engine"],
        seed=parameters["seed"],
        each_member=parameters["each_member"],
        first=begin,
        on_step=(lambda done, _: on_step(begin + done, len(chosen))) if on_step else None,
    )
    rows: list[list[int]] = predicted.tolist()
    return rows


def _rates_by_subset(
    labels: np.ndarray, predicted: np.ndarray, dataset: Dataset, counted: dict[str, np.ndarray]
) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for name, kept in counted.items():
        rows += rates(labels[kept], predicted[kept], dataset.classes, name, dataset.healthy)
    return rows


def choose_images(available: int, wanted: int, seed: int = ORDER_SEED) -> np.ndarray:
    """Sorted indices of the first `wanted` test images in an order shuffled by `seed`; all when none are left out.

    The seed is no model's: models of all training seeds are compared on the same images.
    """
    if wanted >= available:
        return np.arange(available)
    return np.sort(torch.randperm(available, generator=make_generator(seed, "test order"))[:wanted].numpy())


def _trial(shot: Mapping[str, Any]) -> Trial:
    spec: Spec | None = shot["attack"]
    then = tuple(partial(library_attack, follow.name, follow.parameters) for follow in shot["then"])
    return Trial(spec.build(EVASION) if spec else None, shot["worst_case"], then)


MEASURE = measure_evasion
PART = measure_part
