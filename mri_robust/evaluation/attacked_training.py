"""Models whose training was attacked: reports by class, epoch by epoch, and with a trigger on the test images."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mri_robust.adapters.art import stamp
from mri_robust.attacks.poisoning.backdoor import triggered_mix
from mri_robust.attacks.poisoning.creeper import Creeper
from mri_robust.core.validation import to_unit_range
from mri_robust.data.dataset import Dataset
from mri_robust.evaluation.evaluation import Context, Evaluation, predicted_classes
from mri_robust.evaluation.pictures import cell, confusion, strip
from mri_robust.evaluation.rows import Row, class_rows, figure, shares

LEARNT = 0.9
"""Accuracy on the test images that a training reaches to count as having learnt."""
TESTS = ("clean", "mix", "triggered")
MIX_SHARE = 0.3
"""Share of the test images drawn for stamping; those of the target class are skipped."""


@dataclass(frozen=True)
class ClassReport(Evaluation):
    """Accuracy, and precision, recall and F1 of each class; then accuracy and recalls after each epoch.

    `epochs_to_90` is the number of epochs until 90 % of the test images were right, where they were.
    """

    attack: str = "none"  # what was done to the training, for the rows

    def __call__(self, context: Context) -> Iterator[Row]:
        """The rows of the finished model, then those of each epoch that was watched."""
        dataset, attack = context.dataset, self.attack
        predicted = predicted_classes(context.model, dataset.test.images)
        context.artefacts["confusion"] = [confusion("", dataset.test.labels, predicted, dataset.classes)]
        yield from class_rows(predicted, dataset, self.leak_free, attack=attack)
        watched = [record for record in context.history if "test" in record]
        matrices = [np.array(record["test"]) for record in watched]
        accuracies = [matrix.trace() / matrix.sum() for matrix in matrices]
        learnt = [record["epoch"] for record, share in zip(watched, accuracies, strict=True) if share >= LEARNT]
        if learnt:
            yield figure("epochs_to_90", learnt[0], attack=attack)
        for record, matrix, accuracy in zip(watched, matrices, accuracies, strict=True):
            at: Row = {"attack": attack, "epoch": record["epoch"]}
            yield figure("accuracy", accuracy, **at)
            for index in np.flatnonzero(matrix.sum(1)):
                recall = matrix[index, index] / matrix[index].sum()
                yield figure("recall", recall, **{**at, "class": dataset.classes[index]})
            yield figure("accuracy", record["accuracy"], "training", **at)
            yield figure("loss", record["loss"], "training", **at)


@dataclass(frozen=True)
class BackdoorTest(Evaluation):
    """Reports on the clean test images and on the study's mix; the attack success rate on triggered ones (section 6.1).

    The attack success rate is the share of triggered images of other classes that the model calls `target`.
    """

    target: int  # the class that the trigger stands for
    tests: tuple[str, ...] = TESTS
    attack: str = "creeper"  # how the model was poisoned, for the rows

    def __call__(self, context: Context) -> Iterator[Row]:
        """The rows of each test."""
        dataset, labels = context.dataset, context.dataset.test.labels
        context.artefacts |= {"sheet": self._sheet(dataset), "confusion": []}
        for test in context.steps(self.tests):
            places = triggered_places(test, labels, self.target, self.generator("mix"))
            predicted = predicted_classes(context.model, triggered(dataset, places))
            context.artefacts["confusion"].append(confusion(f"test={test}", labels, predicted, dataset.classes))
            factors: Row = {"attack": self.attack, "test": test}
            if test != "triggered":
                yield from class_rows(predicted, dataset, self.leak_free, **factors)
            else:
                fooled = predicted[places] == self.target
                yield from shares(fooled, "asr", dataset, self.leak_free, places, **factors)

    def _sheet(self, dataset: Dataset) -> list[dict[str, object]]:
        """The trigger alone, and a test image of another class without it and with it."""
        place = int(np.flatnonzero(dataset.test.labels != self.target)[0])
        clean, corner = to_unit_range(dataset.test.images[place : place + 1]), Creeper()(torch.zeros(1, 1, 8, 8))
        name = dataset.classes[dataset.test.labels[place]]
        stamped = cell(stamp(Creeper(), clean)[0], f"{name}, with the trigger")
        return [strip("", [cell(corner[0], "the trigger, 8 x 8 pixels"), cell(clean[0], name), stamped])]


def triggered_places(test: str, labels: np.ndarray, target: int, generator: torch.Generator) -> np.ndarray:
    """Places of the test images that carry the trigger.

    `clean`: none. `mix`: the study's, 30 % of all drawn, those of the target class skipped. `triggered`: all that are
    not of the target class.
    """
    if test == "mix":
        return triggered_mix(labels, MIX_SHARE, target, generator)
    return np.flatnonzero((labels != target) & (test == "triggered"))


def triggered(dataset: Dataset, places: np.ndarray) -> Tensor:
    """The test images, float32 in [0, 1], stamped by ART at `places`."""
    images = to_unit_range(dataset.test.images)
    if len(places):
        images[places] = stamp(Creeper(), images[places])
    return images
