"""Accuracy of a trained model under a list of evasion attacks."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import torch

from mri_robust.attacks.registry import EVASION
from mri_robust.core.progress import OnImages
from mri_robust.core.seeding import make_generator
from mri_robust.core.spec import Spec
from mri_robust.evaluation.rates import rates
from mri_robust.evaluation.subject import Subject
from mri_robust.evaluation.subsets import subsets
from mri_robust.evaluation.survivors import library_attack
from mri_robust.evaluation.under_attack import Trial, predictions_under_attack


def measure_evasion(parameters: Mapping[str, Any], subject: Subject, on_step: OnImages | None = None) -> dict[str, Any]:
    """Attack the test images and count.

    Args:
        parameters: `shots` (attack, worst_case, then), `engine`, `images` (how many of the shuffled test images),
            `each_member`, `leak_free` (also count without the test images that stand in training), `seed`.
        subject: the model and its data.
        on_step: called with images done and images in all.

    Returns:
        `rows`: for each shot a list of rates (see `rates`).
    """
    dataset = subject.dataset
    chosen = choose_images(len(dataset.test), parameters["images"], parameters["seed"])
    images = torch.from_numpy(np.ascontiguousarray(dataset.test.images[chosen]))
    labels = dataset.test.labels[chosen]
    predicted = predictions_under_attack(
        subject.model,
        images,
        torch.from_numpy(labels),
        [_trial(shot) for shot in parameters["shots"]],
        engine=parameters["engine"],
        seed=parameters["seed"],
        each_member=parameters["each_member"],
        on_step=on_step,
    ).numpy()
    counted = subsets(dataset, parameters["leak_free"], chosen)
    return {"rows": [_rates_by_subset(labels, row, dataset.classes, counted) for row in predicted]}


def _rates_by_subset(
    labels: np.ndarray, predicted: np.ndarray, classes: tuple[str, ...], counted: dict[str, np.ndarray]
) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for name, kept in counted.items():
        rows += rates(labels[kept], predicted[kept], classes, name)
    return rows


def choose_images(available: int, wanted: int, seed: int) -> np.ndarray:
    """Sorted indices of the first `wanted` test images in an order shuffled by `seed`; all when none are left out."""
    if wanted >= available:
        return np.arange(available)
    return np.sort(torch.randperm(available, generator=make_generator(seed, "test order"))[:wanted].numpy())


def _trial(shot: Mapping[str, Any]) -> Trial:
    spec: Spec | None = shot["attack"]
    then = tuple(partial(library_attack, follow.name, follow.parameters) for follow in shot["then"])
    return Trial(spec.build(EVASION) if spec else None, shot["worst_case"], then)


MEASURE = measure_evasion
