"""Outputs that change from pass to pass (Athalye et al. 2018, arXiv 1802.00420: stochastic gradients)."""

from __future__ import annotations

from mri_robust.evaluation.sanity.evidence import Evidence
from mri_robust.evaluation.sanity.finding import Finding

TOLERANCE = 1e-4
"""Share of the greatest logit. Sums taken in another order, as on a GPU, differ by about 1e-6 of it."""


def randomised(evidence: Evidence) -> Finding:
    """Greatest difference of a logit between two passes over the clean images, in eval mode."""
    difference = (evidence.logits - evidence.again).abs().max().item()
    found = f"two passes over the same images differ by up to {difference:.2g} in a logit"
    meaning = "each step of an attack climbs another loss, and the curve is too high; average gradients over many draws"
    tripped = difference > TOLERANCE * evidence.logits.abs().max().item()
    return Finding.of("randomised", tripped, difference, found=found, meaning=meaning)


CHECK = randomised
