"""Detectors: of hidden patterns (section 6.6), alone and in front of a backdoored model, and of poison."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mri_robust.adapters.art_detectors import ANALYSES, activation_flags, spectral_flags, spectral_scores
from mri_robust.adapters.art_detectors import strip as blend
from mri_robust.attacks.evasion.epsilon_sweep import BATCH
from mri_robust.attacks.poisoning.backdoor import Trigger
from mri_robust.attacks.poisoning.marks import Square
from mri_robust.core.validation import to_unit_range
from mri_robust.data.storage import jpeg
from mri_robust.defences.snooping import Snooper, stamped_half
from mri_robust.evaluation.attacked_training import TESTS, triggered, triggered_places
from mri_robust.evaluation.evaluation import Context, Evaluation, predicted_classes
from mri_robust.evaluation.pictures import cell, confusion, roc_points, strip
from mri_robust.evaluation.rows import (
    Row,
    auc_row,
    caught_row,
    choose_images,
    draw,
    figure,
    people_of,
    precision_rows,
    share,
)
from mri_robust.evaluation.training_set import TrainingSet, training_set, trusted_images
from mri_robust.models.classifier import penultimate_features
from mri_robust.study.recipe import Recipe

FALSE_POSITIVES = 0.05  # the false-positive rate at which `tpr_at_fpr` is read off the ROC curve
SAMPLES = 12
CHOSEN, HALF = "chosen", "0.5"
"""Thresholds: the one that the detector chose on its validation images, and the study's."""
EXPECTED = 0.1
"""Share of a class that spectral signatures are told to expect; they flag half as much again of every class."""
VERDICTS = len(ANALYSES) + 5
"""Activation clustering by each analysis, spectral signatures, the snooper on either set, STRIP by two entropies."""


SnoopingTrial = tuple[str, str, Trigger]
"""(what its rows call the attack, the test in words, what is drawn on the stamped images)."""


@dataclass(frozen=True)
class SnoopingTest(Evaluation):
    """Stamp half of the test images, score all, and count, for each of the trials."""

    trials: tuple[SnoopingTrial, ...]
    fixed: bool = False  # draw each image's pattern from its index: fault `fixed-patterns`
    rules: tuple[str, ...] = (HALF,)  # at `HALF`, and at `CHOSEN`, the threshold that the detector chose
    qualities: tuple[int, ...] = (0,)  # of the JPEG that images, stamped and clean, are saved as before; 0 for none

    def __call__(self, context: Context) -> Iterator[Row]:
        """The report of the classes `no_pattern` and `pattern`, `fpr`, `auc`, `tpr_at_fpr` (at 5 %) and `threshold`."""
        snooper, images = context.model, torch.from_numpy(np.array(context.dataset.test.images))
        context.artefacts |= {"confusion": [], "roc": [], "sheet": []}
        for (attack, test, trigger), quality in context.steps(list(product(self.trials, self.qualities))):
            stamped, labels = stamped_half(images, trigger, seed=self.seed, fixed=self.fixed)
            stamped = jpeg(stamped, quality) if quality else stamped
            scores, name = snooper.score(stamped), f"{test}, JPEG {quality}" if quality else test
            self._keep_pictures(context, name, stamped, labels, scores)
            for rule in self.rules:
                factors: Row = {"attack": attack, "test": name, "threshold": rule}
                yield from self._rows(context, labels, scores, threshold_of(snooper, rule), **factors)

    def _rows(
        self, context: Context, labels: np.ndarray, scores: np.ndarray, least: float, **factors: Any
    ) -> Iterator[Row]:
        classes, predicted = context.model.model.classes, (scores >= least).astype(np.int64)
        who = context.dataset.test.whose()
        yield share(predicted == labels, "accuracy", patients=who, **factors)
        for index, name in enumerate(classes):
            of_class = {**factors, "class": name, "patients": who[labels == index]}
            yield share((predicted == labels)[labels == index], "recall", **of_class)
        yield from precision_rows(labels, predicted, classes, patients=who, **factors)
        yield share(predicted[labels == 0] == 1, "fpr", patients=who[labels == 0], **factors)
        yield auc_row(labels, scores, patients=who, **factors)
        yield caught_row(labels, scores, FALSE_POSITIVES, "tpr_at_fpr", patients=who, **factors)
        yield figure("threshold", least, **factors)
        name = f"{factors['test']}, threshold {least:.2f}"
        context.artefacts["confusion"].append(confusion(name, labels, predicted, classes))

    @staticmethod
    def _keep_pictures(context: Context, name: str, images: Tensor, labels: np.ndarray, scores: np.ndarray) -> None:
        """The ROC curve with the point of the detector's own threshold, and the first stamped images with scores."""
        flagged = scores >= context.model.threshold
        point = [float(flagged[labels == 0].mean()), float(flagged[labels == 1].mean())]
        context.artefacts["roc"].append(roc_points(name, labels, scores) | {"point": point})
        cells = [cell(images[place], f"score {scores[place]:.2f}") for place in np.flatnonzero(labels)[:SAMPLES]]
        context.artefacts["sheet"].append(strip(name, cells))


@dataclass(frozen=True)
class SnoopingLimits(Evaluation):
    """What a detector sees of a filled square, by the square's size and how much brighter it is than what it covers."""

    sides: tuple[int, ...]  # pixels of the `canvas`
    contrasts: tuple[float, ...]  # shares of white
    canvas: int
    images: int  # most test images

    def __call__(self, context: Context) -> Iterator[Row]:
        """`fpr`, and `recall` for each size and contrast, at the detector's own threshold."""
        snooper, test = context.model, context.dataset.test.images
        chosen = choose_images(len(test), self.images)
        images, who = to_unit_range(np.array(test[chosen])), context.dataset.test.whose(chosen)
        yield share(snooper.predict(images), "fpr", attack="square", patients=who)
        for side, contrast in context.steps(list(product(self.sides, self.contrasts))):
            marked = Square(side, contrast, self.canvas)(images, self.generator("squares", side))
            factors: Row = {"attack": "square", "side": side, "contrast": contrast}
            yield share(snooper.predict(marked), "recall", patients=who, **factors)


@dataclass(frozen=True)
class SnoopPipeline(Evaluation):
    """A backdoored model behind a detector that refers what it flags to a doctor."""

    target: int  # the class that the trigger stands for
    detector: Recipe | None = None  # of the detector; None for the model alone
    threshold: str = CHOSEN  # or `HALF`

    def __call__(self, context: Context) -> Iterator[Row]:
        """For each test `referred` (share of images that go to a doctor), `accuracy` of the rest, and of the triggered
        images `recall` (the share that is flagged) and `asr` (the share that passes and is called the target class)."""
        labels, who = context.dataset.test.labels, context.dataset.test.whose()
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
            yield share(flagged, "referred", patients=who, **factors)
            if not flagged.all():
                yield share((predicted == labels)[~flagged], "accuracy", patients=who[~flagged], **factors)
            if len(places):
                passed = (predicted == self.target)[places] & ~flagged[places]
                yield share(flagged[places], "recall", patients=who[places], **factors)
                yield share(passed, "asr", patients=who[places], **factors)


def threshold_of(snooper: Snooper, rule: str) -> float:
    """A threshold by `CHOSEN` or `HALF`."""
    return snooper.threshold if rule == CHOSEN else float(rule)


Verdict = tuple[tuple[str, str, str], np.ndarray, np.ndarray | None]
"""(detector, its rule, the set that it looks at); whether each image is flagged, bool [N]; and how suspicious it is,
float [N], where the detector says."""


@dataclass(frozen=True)
class PoisonDetection(Evaluation):
    """Let every detector look, and count what it flags.

    The training set is what the model was trained on. The test set is clean test images, and test images of other
    classes than `target` with the trigger; without those where nothing was poisoned.
    """

    target: int  # the class that the trigger stands for
    detector: Recipe  # of the snooping detector
    images: int  # most test images, clean and triggered each, and most trusted ones
    attack: str = "creeper"  # how the model was poisoned, for the rows
    threshold: str = CHOSEN  # of the snooping detector, or `HALF`

    def __call__(self, context: Context) -> Iterator[Row]:
        """Precision, recall, false-positive rate and AUC of each detector, those that there are images for."""
        training, (images, stamped, who) = training_set(context.asked, context.dataset), self._inputs(context)
        for number, (names, flagged, scores) in enumerate(self._verdicts(context, training, images), start=1):
            factors = dict(zip(("detector", "rule", "set"), names, strict=True))
            poisoned, people = (training.poisoned, None) if factors["set"] == "training" else (stamped, who)
            yield from detection_rows(poisoned, flagged, scores, patients=people, attack=self.attack, **factors)
            context.on_step(number, VERDICTS)

    def _verdicts(self, context: Context, training: TrainingSet, images: Tensor) -> Iterator[Verdict]:
        model, labels, seed = context.model, training.labels, self.seed
        features = penultimate_features(model, training.batches(BATCH))
        for rule in ANALYSES:
            yield ("activation", rule, "training"), activation_flags(features, labels, analysis=rule, seed=seed), None
        flagged = spectral_flags(features, labels, expected=EXPECTED)
        yield ("spectral", "", "training"), flagged, spectral_scores(features, labels)
        snooper = context.get(self.detector)
        for where, batches in (("training", training.batches(BATCH)), ("test", images.split(BATCH))):
            scores = np.concatenate([snooper.score(batch) for batch in batches])
            yield ("snooper", "", where), scores >= threshold_of(snooper, self.threshold), scores
        trusted, _ = trusted_images(context.dataset.train, self.images, seed)
        found = blend(model, to_unit_range(trusted).numpy(), images.numpy(), seed=seed)
        # Low entropy is suspicious: ART's, over the blends, and Gao et al.'s.
        yield ("strip", "entropy over blends", "test"), found.abstained, -found.over_blends
        yield ("strip", "entropy over classes", "test"), found.flagged, -found.over_classes

    def _inputs(self, context: Context) -> tuple[Tensor, np.ndarray, np.ndarray]:
        """Test images, float32, clean ones and then triggered ones; which have the trigger, bool; and of whom."""
        dataset, labels = context.dataset, context.dataset.test.labels
        clean = draw(len(labels), self.images, self.generator("clean inputs"))
        victims = np.flatnonzero(labels != self.target)
        count = self.images if getattr(context.asked, "poison", None) is not None else 0
        stamped = victims[draw(len(victims), count, self.generator("triggered inputs"))]
        images = torch.cat([to_unit_range(dataset.test.images[clean]), triggered(dataset, stamped)[stamped]])
        who = dataset.test.whose(np.concatenate([clean, stamped]))
        return images, np.arange(len(images)) >= len(clean), who


def detection_rows(
    poisoned: np.ndarray,
    flagged: np.ndarray,
    scores: np.ndarray | None,
    *,
    patients: np.ndarray | None = None,
    **factors: Any,
) -> Iterator[Row]:
    """Rows of bool [N] truth and verdicts, and float [N] scores; none for a rate that no image counts for.

    For `patients` see `share`.
    """
    who = people_of(poisoned, patients)
    if poisoned.any():
        if flagged.any():
            yield share(poisoned[flagged], "precision", patients=who[flagged], **factors)
        yield share(flagged[poisoned], "recall", patients=who[poisoned], **factors)
    if not poisoned.all():
        yield share(flagged[~poisoned], "fpr", patients=who[~poisoned], **factors)
    if scores is not None and poisoned.any() and not poisoned.all():
        yield auc_row(poisoned, scores, patients=who, **factors)
