"""A backdoored model behind a snooping detector that refers what it flags to a doctor."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from mri_robust.core.progress import OnImages
from mri_robust.evaluation.measures.backdoor import triggered, triggered_places
from mri_robust.evaluation.prediction import predicted_classes
from mri_robust.evaluation.rates import share
from mri_robust.evaluation.subject import Subject


def measure_pipeline(
    parameters: Mapping[str, Any], subject: Subject, on_step: OnImages | None = None
) -> dict[str, Any]:
    """Let the detector take out what it flags, then predict the rest.

    Args:
        parameters: `tests`, `mix_share`, `target`, `seed` as `measure_backdoor` has them; `threshold` of the detector,
            `chosen` for its own.
        subject: the backdoored model; `others` holds the detector, or nothing for the model alone.
        on_step: called with tests done and tests in all.

    Returns:
        `rows`: for each test `referred` (share of images that go to a doctor), `accuracy` of the rest, and of the
        triggered images `recall` (the share that is flagged) and `asr` (the share that passes and is called the
        target class).
    """
    labels, target = subject.dataset.test.labels, parameters["target"]
    rows = []
    for number, test in enumerate(parameters["tests"], start=1):
        places = triggered_places(test, labels, parameters)
        images = triggered(subject.dataset, places)
        flagged = np.zeros(len(labels), dtype=bool)
        for snooper in subject.others:
            limit = snooper.threshold if parameters["threshold"] == "chosen" else float(parameters["threshold"])
            flagged |= snooper.score(images) >= limit
        predicted = predicted_classes(subject.model, images)
        found = [share(flagged, "referred")]
        if not flagged.all():
            found.append(share((predicted == labels)[~flagged], "accuracy"))
        if len(places):
            found.append(share(flagged[places], "recall"))
            found.append(share((predicted == target)[places] & ~flagged[places], "asr"))
        rows.append(found)
        if on_step:
            on_step(number, len(parameters["tests"]))
    return {"rows": rows}


MEASURE = measure_pipeline
