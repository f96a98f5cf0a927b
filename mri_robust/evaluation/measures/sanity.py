"""The sanity checks on a model of the bench: is its accuracy under attack a mirage?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import torch

from mri_robust.core.progress import OnImages
from mri_robust.evaluation.measures.evasion import choose_images
from mri_robust.evaluation.sanity import sanity_checks
from mri_robust.evaluation.sanity.evidence import IMAGES
from mri_robust.evaluation.subject import Subject
from mri_robust.training import to_unit_range


def measure_sanity(parameters: Mapping[str, Any], subject: Subject, on_step: OnImages | None = None) -> dict[str, Any]:
    """Run every sanity check on some test images.

    Args:
        parameters: `eps` (of the attacks that are compared, in pixels), `seed`.
        subject: the model and its data.
        on_step: called with attacks done and attacks in all.

    Returns:
        `findings`: for each check `check`, `tripped`, `figure`, `message`; no `rows`.
    """
    test = subject.dataset.test
    chosen = choose_images(len(test), IMAGES)
    findings = sanity_checks(
        subject.model,
        to_unit_range(torch.from_numpy(np.array(test.images[chosen]))),
        torch.from_numpy(test.labels[chosen]),
        eps=parameters["eps"],
        seed=parameters["seed"],
        on_step=(lambda _, done, total: on_step(done, total)) if on_step else None,
    )
    return {"rows": [], "findings": [asdict(finding) for finding in findings]}


MEASURE = measure_sanity
