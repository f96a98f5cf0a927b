"""A trained model on the clean test images, and its training epoch by epoch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mri_robust.evaluation.evaluation import Context, Evaluation
from mri_robust.evaluation.pictures import confusion
from mri_robust.evaluation.prediction import predicted_classes
from mri_robust.evaluation.rows import Row, class_rows, figure

LEARNT = 0.9
"""Accuracy on the test images that a training reaches to count as having learnt."""


@dataclass(frozen=True)
class ClassReport(Evaluation):
    """Accuracy, and precision, recall and F1 of each class; then test and training accuracy after each epoch.

    `epochs_to_90` is the number of epochs until 90 % of the test images were right, where they were.

    Attributes:
        attack: what was done to the training, for the rows.
    """

    attack: str = "none"

    def __call__(self, context: Context) -> Iterator[Row]:
        """The rows of the finished model, then those of each epoch that was watched."""
        dataset, attack = context.dataset, self.attack
        predicted = predicted_classes(context.model, dataset.test.images)
        context.artefacts["confusion"] = [confusion("", dataset.test.labels, predicted, dataset.classes)]
        yield from class_rows(predicted, dataset, self.leak_free, attack=attack)
        watched = [record for record in context.history if "test" in record]
        learnt = [record["epoch"] for record in watched if record["test"] >= LEARNT]
        if learnt:
            yield figure("epochs_to_90", learnt[0], attack=attack)
        for record in watched:
            at: Row = {"attack": attack, "epoch": record["epoch"]}
            yield figure("accuracy", record["test"], **at)
            yield figure("accuracy", record["accuracy"], "training", **at)
            yield figure("loss", record["loss"], "training", **at)
