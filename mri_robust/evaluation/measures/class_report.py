"""A trained model on the clean test images, and its training epoch by epoch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mri_robust.core.progress import OnImages
from mri_robust.evaluation.class_report import class_report, confusion, figure
from mri_robust.evaluation.prediction import predicted_classes
from mri_robust.evaluation.subject import Subject
from mri_robust.evaluation.subsets import subsets

LEARNT = 0.9
"""Accuracy on the test images that a training reaches to count as having learnt."""


def measure_class_report(
    parameters: Mapping[str, Any], subject: Subject, on_step: OnImages | None = None
) -> dict[str, Any]:
    """Predict the test images and count.

    Args:
        parameters: `leak_free` (also count without the test images that stand in training).
        subject: the model, its data and its training record.
        on_step: called with images done and images in all.

    Returns:
        `rows`: first the report, with `epochs_to_90`, the epochs until 90 % of the test images were right, where they
        were; then an entry an epoch that was watched. `confusion` and `curves` for the figures.
    """
    test = subject.dataset.test
    predicted = predicted_classes(subject.model, test.images)
    classes, healthy = subject.dataset.classes, subject.dataset.healthy
    rows: list[dict[str, Any]] = []
    for name, kept in subsets(subject.dataset, parameters["leak_free"]).items():
        rows += class_report(test.labels[kept], predicted[kept], classes, name, healthy)
    watched = [record for record in subject.history if "test" in record]
    learnt = [record["epoch"] for record in watched if record["test"] >= LEARNT]
    rows += [figure("epochs_to_90", learnt[0])] if learnt else []
    if on_step:
        on_step(len(test), len(test))
    return {
        "rows": [rows, *(_epoch(record) for record in watched)],
        "confusion": [confusion("", test.labels, predicted, classes)],
        "curves": [
            {
                "name": "accuracy",
                "training": [record["accuracy"] for record in watched],
                "test": [record["test"] for record in watched],
            }
        ]
        if watched
        else [],
    }


def _epoch(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        figure("accuracy", record["test"]),
        figure("accuracy", record["accuracy"], "training"),
        figure("loss", record["loss"], "training"),
    ]


MEASURE = measure_class_report
