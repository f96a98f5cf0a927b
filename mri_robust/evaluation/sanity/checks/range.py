"""Pixels outside [0, 1]: an epsilon in pixels is then measured on another scale."""

from __future__ import annotations

from mri_robust.evaluation.sanity.evidence import Evidence
from mri_robust.evaluation.sanity.finding import Finding


def pixel_range(evidence: Evidence) -> Finding:
    """How far the furthest pixel of all images lies outside [0, 1]; anything above 0, or not a number, trips."""
    outside = max(0.0, -evidence.low, evidence.high - 1)
    found = f"pixels run from {evidence.low:.4g} to {evidence.high:.4g}"
    meaning = "epsilon means another size there; scale images to [0, 1] and normalise inside the model"
    inside = evidence.low >= 0 and evidence.high <= 1
    return Finding.of("range", not inside, outside, found=found, meaning=meaning)


CHECK = pixel_range
