"""Probabilities in place of logits (Carlini et al. 2019, arXiv 1902.06705, on the loss that is attacked)."""

from __future__ import annotations

from mri_robust.evaluation.sanity.evidence import Evidence
from mri_robust.evaluation.sanity.finding import Finding

TOLERANCE = 1e-3
"""Rounding of a softmax in half precision; sums of logits lie anywhere."""


def probabilities(evidence: Evidence) -> Finding:
    """Greatest distance from 1 of an image's summed outputs; trips within 1e-3 when all outputs lie in [0, 1]."""
    logits = evidence.logits
    distance = (logits.sum(1) - 1).abs().max().item()
    tripped = distance <= TOLERANCE and bool(((logits >= 0) & (logits <= 1)).all())
    found = f"an image's outputs sum to 1 within {distance:.2g}"
    meaning = "a second softmax in the loss flattens its gradient, and the curve is too high; give what enters softmax"
    return Finding.of("probabilities", tripped, distance, found=found, meaning=meaning)


CHECK = probabilities
