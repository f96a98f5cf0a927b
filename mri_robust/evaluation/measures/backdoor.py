"""A backdoored model on clean, partly triggered and triggered test images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mri_robust.adapters.art import stamp
from mri_robust.attacks.poisoning.backdoor import triggered_mix
from mri_robust.attacks.poisoning.creeper import Creeper
from mri_robust.core.progress import OnImages
from mri_robust.core.rng import make_generator
from mri_robust.data.dataset import Dataset
from mri_robust.evaluation.class_report import class_report, confusion
from mri_robust.evaluation.pictures import png
from mri_robust.evaluation.prediction import predicted_classes
from mri_robust.evaluation.rates import share
from mri_robust.evaluation.subject import Subject
from mri_robust.evaluation.subsets import subsets
from mri_robust.training import to_unit_range


def measure_backdoor(
    parameters: Mapping[str, Any], subject: Subject, on_step: OnImages | None = None
) -> dict[str, Any]:
    """Stamp test images, predict and count.

    Args:
        parameters: `tests` (names of `triggered_places`), `mix_share`, `target` (the class that the trigger stands
            for), `leak_free`, `seed`.
        subject: the model and its data.
        on_step: called with tests done and tests in all.

    Returns:
        `rows`: a report a test; of `triggered` only the attack success rate, the share of triggered images of other
        classes that the model calls `target`. `confusion` for each, and `trigger`, the pictures of Figure 2.
    """
    dataset, target = subject.dataset, parameters["target"]
    labels = dataset.test.labels
    counted = subsets(dataset, parameters["leak_free"])
    rows, matrices = [], []
    for number, test in enumerate(parameters["tests"], start=1):
        places = triggered_places(test, labels, parameters)
        predicted = predicted_classes(subject.model, triggered(dataset, places))
        matrices.append(confusion(f"test={test}", labels, predicted, dataset.classes))
        found: list[dict[str, Any]] = []
        for name, kept in counted.items():
            if test == "triggered":
                victims = kept & (labels != target)
                found += [share(predicted[victims] == target, "asr", name)] if victims.any() else []
            else:
                found += class_report(labels[kept], predicted[kept], dataset.classes, name, dataset.healthy)
        rows.append(found)
        if on_step:
            on_step(number, len(parameters["tests"]))
    return {"rows": rows, "confusion": matrices, "trigger": _pictures(dataset, target)}


def triggered_places(test: str, labels: np.ndarray, parameters: Mapping[str, Any]) -> np.ndarray:
    """Places of the test images that carry the trigger.

    `clean`: none. `mix`: the study's, `mix_share` of all drawn, those of the target class skipped. `triggered`: all
    that are not of the target class.
    """
    target = parameters["target"]
    if test == "mix":
        return triggered_mix(labels, parameters["mix_share"], target, make_generator(parameters["seed"], "mix"))
    return np.flatnonzero(labels != target) if test == "triggered" else np.empty(0, dtype=np.int64)


def triggered(dataset: Dataset, places: np.ndarray) -> Tensor:
    """The test images, float32 in [0, 1], stamped by ART at `places`."""
    images = to_unit_range(torch.from_numpy(np.array(dataset.test.images)))
    if len(places):
        images[places] = stamp(Creeper(), images[places])
    return images


def _pictures(dataset: Dataset, target: int) -> dict[str, str]:
    """The trigger alone, and a test image of another class without it and with it, as base64 PNG."""
    place = int(np.flatnonzero(dataset.test.labels != target)[0])
    clean = to_unit_range(torch.from_numpy(np.array(dataset.test.images[place : place + 1])))
    corner = Creeper()(torch.zeros(1, 1, 8, 8))
    return {
        "pattern": png(corner[0]),
        "clean": png(clean[0]),
        "stamped": png(stamp(Creeper(), clean)[0]),
        "class": dataset.classes[dataset.test.labels[place]],
    }


MEASURE = measure_backdoor
