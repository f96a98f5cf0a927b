"""Detectors of poison on a backdoored model: on its training set, and on what it is asked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mri_robust.adapters.art_detectors import StripFindings, activation_flags, spectral_flags, spectral_scores, strip
from mri_robust.evaluation.backdoor import triggered
from mri_robust.evaluation.evaluation import Context, Evaluation
from mri_robust.evaluation.prediction import BATCH, unit_images
from mri_robust.evaluation.rows import Row, auc_row, draw, share
from mri_robust.evaluation.snooping import threshold_of
from mri_robust.evaluation.training_set import TrainingSet, training_set, trusted_images
from mri_robust.models.classifier import penultimate_features
from mri_robust.study.recipe import Recipe

EXPECTED = 0.1
"""Share of a class that spectral signatures are told to expect; they flag half as much again of every class."""
TESTS = (
    ("activation", "smaller", "training"),
    ("activation", "relative-size", "training"),
    ("activation", "silhouette-scores", "training"),
    ("spectral", "", "training"),
    ("snooper", "", "training"),
    ("strip", "entropy over blends", "test"),
    ("strip", "entropy over classes", "test"),
    ("snooper", "", "test"),
)
"""(detector, its rule, the set that it looks at). STRIP's entropies are ART's, over the blends, and Gao et al.'s."""

Verdict = tuple[np.ndarray, np.ndarray | None]
"""Whether each image is flagged, bool [N], and how suspicious it is, float [N], where the detector says."""


@dataclass(frozen=True)
class PoisonDetection(Evaluation):
    """Let every detector look, and count what it flags.

    The training set is what the model was trained on. The test set is clean test images, and test images of other
    classes than `target` with the trigger; without those where nothing was poisoned.

    Attributes:
        target: the class that the trigger stands for.
        detector: the recipe of the snooping detector.
        images: most test images, clean and triggered each, and most trusted ones.
        attack: how the model was poisoned, for the rows.
        threshold: of the snooping detector, `chosen` or `0.5`.
    """

    target: int
    detector: Recipe
    images: int
    attack: str = "creeper"
    threshold: str = "chosen"

    def __call__(self, context: Context) -> Iterator[Row]:
        """Precision, recall, false-positive rate and AUC of each detector, those that there are images for."""
        scene = _Scene(self, context)
        for detector, rule, where in context.steps(TESTS):
            poisoned = scene.training.poisoned if where == "training" else scene.inputs[1]
            factors: dict[str, Any] = {"attack": self.attack, "detector": detector, "rule": rule, "set": where}
            yield from detection_rows(poisoned, *scene.verdict(detector, rule, where), **factors)


class _Scene:
    """What detectors look at, made when the first one asks."""

    def __init__(self, asked: PoisonDetection, context: Context) -> None:
        self.asked = asked
        self.context = context

    def verdict(self, detector: str, rule: str, where: str) -> Verdict:
        """What a detector says of the images of a set."""
        labels = self.training.labels
        if detector == "activation":
            return activation_flags(self.features, labels, analysis=rule, seed=self.asked.seed), None
        if detector == "spectral":
            return spectral_flags(self.features, labels, expected=EXPECTED), spectral_scores(self.features, labels)
        if detector == "strip":  # low entropy is suspicious
            over_blends = rule == "entropy over blends"
            flagged = self.strip.abstained if over_blends else self.strip.flagged
            return flagged, -(self.strip.over_blends if over_blends else self.strip.over_classes)
        snooper = self.context.get(self.asked.detector)
        batches = self.training.batches(BATCH) if where == "training" else self.inputs[0].split(BATCH)
        scores = np.concatenate([snooper.score(batch) for batch in batches])
        return scores >= threshold_of(snooper, self.asked.threshold), scores

    @cached_property
    def training(self) -> TrainingSet:
        return training_set(self.context.asked, self.context.dataset)

    @cached_property
    def features(self) -> np.ndarray:
        return penultimate_features(self.context.model, self.training.batches(BATCH))

    @cached_property
    def inputs(self) -> tuple[Tensor, np.ndarray]:
        """Test images, float32, clean ones and then triggered ones; and which carry the trigger, bool."""
        dataset, count = self.context.dataset, self.asked.images
        labels = dataset.test.labels
        clean = draw(len(labels), count, self.asked.generator("clean inputs"))
        victims = np.flatnonzero(labels != self.asked.target)
        poisoned = getattr(self.context.asked, "poison", None) is not None
        stamped = victims[draw(len(victims), count if poisoned else 0, self.asked.generator("triggered inputs"))]
        images = torch.cat([unit_images(dataset.test.images[clean]), triggered(dataset, stamped)[stamped]])
        return images, np.arange(len(images)) >= len(clean)

    @cached_property
    def strip(self) -> StripFindings:
        seed = self.asked.seed
        trusted, _ = trusted_images(self.context.dataset.train, self.asked.images, seed)
        return strip(self.context.model, unit_images(trusted).numpy(), self.inputs[0].numpy(), seed=seed)


def detection_rows(
    poisoned: np.ndarray, flagged: np.ndarray, scores: np.ndarray | None, **factors: Any
) -> Iterator[Row]:
    """Rows of bool [N] truth and verdicts, and float [N] scores; none for a rate that no image counts for."""
    if poisoned.any():
        if flagged.any():
            yield share(poisoned[flagged], "precision", **factors)
        yield share(flagged[poisoned], "recall", **factors)
    if not poisoned.all():
        yield share(flagged[~poisoned], "fpr", **factors)
    if scores is not None and poisoned.any() and not poisoned.all():
        yield auc_row(poisoned, scores, **factors)
