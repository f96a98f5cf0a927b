"""A snooping detector on half stamped test images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from sklearn.metrics import roc_auc_score
from torch import Tensor

from mri_robust.attacks.registry import TRIGGERS
from mri_robust.core.progress import OnImages
from mri_robust.core.registry import Spec
from mri_robust.defences.snooping import stamped_half
from mri_robust.evaluation.class_report import class_report, confusion, figure
from mri_robust.evaluation.pictures import png
from mri_robust.evaluation.rates import share
from mri_robust.evaluation.roc import caught_at, roc
from mri_robust.evaluation.subject import Subject

FALSE_POSITIVES = 0.05
"""The false-positive rate at which `tpr_at_fpr` is read off the ROC curve."""
SAMPLES = 12


def measure_snooping(
    parameters: Mapping[str, Any], subject: Subject, on_step: OnImages | None = None
) -> dict[str, Any]:
    """Stamp half of the test images, score all, and count.

    Args:
        parameters: `tests` (each `trigger`, `parameters` of it, and `threshold`, a number or `chosen`), `fixed` (draw
            each image's pattern from its index, fault `fixed-patterns`), `seed`.
        subject: the detector and its data.
        on_step: called with tests done and tests in all.

    Returns:
        `rows`: for each test the report of the classes `no_pattern` and `pattern`, `fpr`, `auc`, `tpr_at_fpr` (at 5 %)
        and `threshold`. `confusion`, `roc` and `samples` for the figures.
    """
    snooper, classes = subject.model, subject.model.model.classes
    images = torch.from_numpy(np.array(subject.dataset.test.images))
    scored: dict[str, tuple[Tensor, np.ndarray, np.ndarray]] = {}
    result: dict[str, Any] = {"rows": [], "confusion": [], "roc": [], "samples": []}
    for number, test in enumerate(parameters["tests"], start=1):
        spec = Spec(test["trigger"], dict(test["parameters"]))
        if repr(spec) not in scored:
            fixed = parameters["fixed"] and spec.name == "patterns"
            stamped, labels = stamped_half(images, spec.build(TRIGGERS), seed=parameters["seed"], fixed=fixed)
            scored[repr(spec)] = (stamped, labels, snooper.score(stamped))
            flagged = scored[repr(spec)][2] >= snooper.threshold
            point = [float(flagged[labels == 0].mean()), float(flagged[labels == 1].mean())]
            result["roc"].append(roc(spec.name, labels, scored[repr(spec)][2]) | {"point": point})
            result["samples"] += _samples(*scored[repr(spec)])
        _, labels, scores = scored[repr(spec)]
        threshold = snooper.threshold if test["threshold"] == "chosen" else float(test["threshold"])
        predicted = (scores >= threshold).astype(np.int64)
        rows = class_report(labels, predicted, classes, "all")
        rows += [share(predicted[labels == 0] == 1, "fpr"), figure("auc", float(roc_auc_score(labels, scores)))]
        rows += [caught_at(labels, scores, FALSE_POSITIVES, "tpr_at_fpr"), figure("threshold", threshold)]
        result["rows"].append(rows)
        result["confusion"].append(confusion(f"{spec.name}, threshold {threshold:.2f}", labels, predicted, classes))
        if on_step:
            on_step(number, len(parameters["tests"]))
    return result


def _samples(images: Tensor, labels: np.ndarray, scores: np.ndarray) -> list[dict[str, Any]]:
    """The first stamped images with their scores."""
    places = np.flatnonzero(labels)[:SAMPLES]
    return [{"image": png(images[place]), "caption": f"score {scores[place]:.2f}"} for place in places]


MEASURE = measure_snooping
