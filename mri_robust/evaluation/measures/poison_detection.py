"""Detectors of poison on a backdoored model: on its training set, and on what it is asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mri_robust.adapters.art_poison_detectors import activation_flags, spectral_flags, spectral_scores
from mri_robust.adapters.art_strip import StripFindings, strip
from mri_robust.core.progress import OnImages
from mri_robust.evaluation.detection import detection_rows
from mri_robust.evaluation.measures.backdoor import triggered
from mri_robust.evaluation.poisoned_training import PoisonedTraining, training_set, trusted_images
from mri_robust.evaluation.prediction import BATCH
from mri_robust.evaluation.subject import Subject
from mri_robust.evaluation.subsets import drawn
from mri_robust.models.features import penultimate_features
from mri_robust.training import to_unit_range

Verdict = tuple[np.ndarray, np.ndarray | None]
"""Whether each image is flagged, bool [N], and how suspicious it is, float [N], where the detector says."""


def measure_poison_detection(
    parameters: Mapping[str, Any], subject: Subject, on_step: OnImages | None = None
) -> dict[str, Any]:
    """Let every detector look, and count what it flags.

    Args:
        parameters: `tests` (each a `detector` and the `set` it looks at, `training` or `test`, with its options:
            `analysis`, `expected`, `entropy`, `threshold`), `training` (see `training_set`), `images` (most test
            images, clean and triggered each, and most trusted ones), `target` and `seed`.
        subject: the model and its data; `others` holds the snooping detector.
        on_step: called with tests done and tests in all.

    Returns:
        `rows`: for each test what `detection_rows` gives. The training set is what the model was trained on. The test
        set is clean test images, and test images of other classes than `target` with the trigger; without those where
        nothing was poisoned.
    """
    scene = _Scene(parameters, subject)
    rows = []
    for number, test in enumerate(parameters["tests"], start=1):
        poisoned = scene.training.poisoned if test["set"] == "training" else scene.inputs[1]
        rows.append(detection_rows(poisoned, *_DETECTORS[test["detector"]](scene, test)))
        if on_step:
            on_step(number, len(parameters["tests"]))
    return {"rows": rows}


class _Scene:
    """What detectors look at, made when the first one asks."""

    def __init__(self, parameters: Mapping[str, Any], subject: Subject) -> None:
        self.parameters = parameters
        self.subject = subject

    @cached_property
    def training(self) -> PoisonedTraining:
        return training_set(self.parameters["training"], self.subject.dataset)

    @cached_property
    def features(self) -> np.ndarray:
        return penultimate_features(self.subject.model, self.training.batches(BATCH))

    @cached_property
    def inputs(self) -> tuple[Tensor, np.ndarray]:
        """Test images, float32, clean ones and then triggered ones; and which carry the trigger, bool."""
        dataset, count, seed = self.subject.dataset, self.parameters["images"], self.parameters["seed"]
        labels = dataset.test.labels
        clean = drawn(np.arange(len(labels)), count, seed, "clean inputs")
        victims = np.flatnonzero(labels != self.parameters["target"])
        stamped = drawn(victims, count if self.parameters["training"]["poison"] else 0, seed, "triggered inputs")
        images = torch.cat([triggered(dataset, clean[:0])[clean], triggered(dataset, stamped)[stamped]])
        return images, np.arange(len(images)) >= len(clean)

    @cached_property
    def strip(self) -> StripFindings:
        trusted, _ = trusted_images(self.subject.dataset.train, self.parameters["images"], self.parameters["seed"])
        return strip(
            self.subject.model,
            to_unit_range(torch.from_numpy(trusted)).numpy(),
            self.inputs[0].numpy(),
            seed=self.parameters["seed"],
        )


def _activation(scene: _Scene, test: Mapping[str, Any]) -> Verdict:
    seed = scene.parameters["seed"]
    return activation_flags(scene.features, scene.training.labels, analysis=test["analysis"], seed=seed), None


def _spectral(scene: _Scene, test: Mapping[str, Any]) -> Verdict:
    labels = scene.training.labels
    return spectral_flags(scene.features, labels, expected=test["expected"]), spectral_scores(scene.features, labels)


def _strip(scene: _Scene, test: Mapping[str, Any]) -> Verdict:
    """By ART's entropy over the blends, or by Gao et al.'s over the classes; low is suspicious."""
    if test["entropy"] == "blends":
        return scene.strip.abstained, -scene.strip.over_blends
    return scene.strip.flagged, -scene.strip.over_classes


def _snooper(scene: _Scene, test: Mapping[str, Any]) -> Verdict:
    (snooper,) = scene.subject.others
    batches = scene.training.batches(BATCH) if test["set"] == "training" else scene.inputs[0].split(BATCH)
    scores = np.concatenate([snooper.score(batch) for batch in batches])
    return scores >= (snooper.threshold if test["threshold"] == "chosen" else float(test["threshold"])), scores


_DETECTORS: dict[str, Callable[[_Scene, Mapping[str, Any]], Verdict]] = {
    "activation": _activation,
    "spectral": _spectral,
    "strip": _strip,
    "snooper": _snooper,
}

MEASURE = measure_poison_detection
