"""A model that came in train mode: dropout draws, and BatchNorm looks at the batch."""

from __future__ import annotations

from mri_robust.evaluation.sanity.evidence import Evidence
from mri_robust.evaluation.sanity.finding import Finding


def train_mode(evidence: Evidence) -> Finding:
    """How many of the model, its BatchNorm and its dropout layers were in train mode; one trips.

    Attacks here hold the model in eval mode: the curve is right, but it is not the curve of the model as it was.
    """
    found = f"the model came with train mode on in {evidence.training} places"
    meaning = "the curve shows the model in eval mode, which is not the one that you have; call model.eval() first"
    return Finding.of("train-mode", evidence.training > 0, float(evidence.training), found=found, meaning=meaning)


CHECK = train_mode
