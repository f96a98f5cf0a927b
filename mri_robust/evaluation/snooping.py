"""The detector of hidden patterns: on half stamped test images, and in front of a backdoored model (section 6.6)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mri_robust.attacks.poisoning.creeper import Creeper
from mri_robust.attacks.poisoning.patterns import SHAPES, Patterns
from mri_robust.defences.snooping import Snooper, stamped_half
from mri_robust.evaluation.backdoor import TESTS, triggered, triggered_places
from mri_robust.evaluation.evaluation import Context, Evaluation
from mri_robust.evaluation.pictures import cell, confusion, roc_points, strip
from mri_robust.evaluation.prediction import predicted_classes
from mri_robust.evaluation.rows import Row, auc_row, caught_row, figure, precision_rows, share
from mri_robust.study.recipe import Recipe

FALSE_POSITIVES = 0.05
"""The false-positive rate at which `tpr_at_fpr` is read off the ROC curve."""
SAMPLES = 12
CHOSEN, HALF = "chosen", "0.5"
"""Thresholds: the one that the detector chose on its validation images, and the study's."""


@dataclass(frozen=True)
class SnoopingTest(Evaluation):
    """Stamp half of the test images, score all, and count.

    Attributes:
        patterns: what is drawn on the stamped half.
        fixed: draw each image's pattern from its index: fault `fixed-patterns`.
        whole: also at the threshold that the detector chose, and on the creeper trigger, which it never saw.
    """

    patterns: Patterns
    fixed: bool = False
    whole: bool = True

    def __call__(self, context: Context) -> Iterator[Row]:
        """The report of the classes `no_pattern` and `pattern`, `fpr`, `auc`, `tpr_at_fpr` (at 5 %) and `threshold`."""
        snooper, images = context.model, torch.from_numpy(np.array(context.dataset.test.images))
        context.artefacts |= {"confusion": [], "roc": [], "sheet": []}
        shapes = " and ".join(f"{shape}s" for shape in self.patterns.shapes)
        described = f"small {shapes if self.patterns.shapes != SHAPES else 'patterns'}"
        tests: list[tuple[str, str, Any, bool]] = [("patterns", described, self.patterns, self.fixed)]
        if self.whole:
            tests.append(("creeper", "unseen creeper", Creeper(), False))
        for attack, test, trigger, fixed in context.steps(tests):
            stamped, labels = stamped_half(images, trigger, seed=self.seed, fixed=fixed)
            scores = snooper.score(stamped)
            self._keep_pictures(context, attack, stamped, labels, scores)
            for rule in (HALF, CHOSEN) if self.whole else (HALF,):
                factors: Row = {"attack": attack, "test": test, "threshold": rule}
                yield from self._rows(context, labels, scores, threshold_of(snooper, rule), **factors)

    def _rows(
        self, context: Context, labels: np.ndarray, scores: np.ndarray, least: float, **factors: Any
    ) -> Iterator[Row]:
        classes = context.model.model.classes
        predicted = (scores >= least).astype(np.int64)
        yield share(predicted == labels, "accuracy", **factors)
        for index, name in enumerate(classes):
            yield share((predicted == labels)[labels == index], "recall", **{**factors, "class": name})
        yield from precision_rows(labels, predicted, classes, **factors)
        yield share(predicted[labels == 0] == 1, "fpr", **factors)
        yield auc_row(labels, scores, **factors)
        yield caught_row(labels, scores, FALSE_POSITIVES, "tpr_at_fpr", **factors)
        yield figure("threshold", least, **factors)
        matrix = confusion(f"{factors['attack']}, threshold {least:.2f}", labels, predicted, classes)
        context.artefacts["confusion"].append(matrix)

    @staticmethod
    def _keep_pictures(context: Context, name: str, images: Tensor, labels: np.ndarray, scores: np.ndarray) -> None:
        """The ROC curve with the point of the detector's own threshold, and the first stamped images with scores."""
        flagged = scores >= context.model.threshold
        point = [float(flagged[labels == 0].mean()), float(flagged[labels == 1].mean())]
        context.artefacts["roc"].append(roc_points(name, labels, scores) | {"point": point})
        places = np.flatnonzero(labels)[:SAMPLES]
        cells = [cell(images[place], f"score {scores[place]:.2f}") for place in places]
        context.artefacts["sheet"].append(strip(name, cells))


@dataclass(frozen=True)
class SnoopPipeline(Evaluation):
    """A backdoored model behind a detector that refers what it flags to a doctor.

    Attributes:
        target: the class that the trigger stands for.
        detector: the recipe of the detector; None for the model alone.
        threshold: `CHOSEN` or `HALF`.
    """

    target: int
    detector: Recipe | None = None
    threshold: str = CHOSEN

    def __call__(self, context: Context) -> Iterator[Row]:
        """For each test `referred` (share of images that go to a doctor), `accuracy` of the rest, and of the triggered
        images `recall` (the share that is flagged) and `asr` (the share that passes and is called the target class)."""
        labels = context.dataset.test.labels
        snooper = context.get(self.detector) if self.detector else None
        trained_on = dict(self.detector.factors)["trained_on"] if self.detector else "none"
        for test in context.steps(TESTS):
            threshold = self.threshold if snooper else ""
            factors: Row = {"attack": "creeper", "snooper": trained_on, "threshold": threshold, "test": test}
            places = triggered_places(test, labels, self.target, self.generator("mix"))
            images = triggered(context.dataset, places)
            flagged = np.zeros(len(labels), dtype=bool)
            if snooper is not None:
                flagged = snooper.score(images) >= threshold_of(snooper, self.threshold)
            predicted = predicted_classes(context.model, images)
            yield share(flagged, "referred", **factors)
            if not flagged.all():
                yield share((predicted == labels)[~flagged], "accuracy", **factors)
            if len(places):
                yield share(flagged[places], "recall", **factors)
                yield share((predicted == self.target)[places] & ~flagged[places], "asr", **factors)


def threshold_of(snooper: Snooper, rule: str) -> float:
    """A threshold by `CHOSEN` or `HALF`."""
    return snooper.threshold if rule == CHOSEN else float(rule)
