"""Images that no gradient attack can move (Athalye et al. 2018, arXiv 1802.00420: shattered, vanishing gradients)."""

from __future__ import annotations

from mri_robust.evaluation.sanity.evidence import Evidence
from mri_robust.evaluation.sanity.finding import Finding


def zero_gradients(evidence: Evidence) -> Finding:
    """Share of images whose input gradient is zero in every pixel, or not finite in one.

    One image is enough to trip: it counts as robust whatever the attack. A cross entropy in float32 keeps a gradient
    until the margin of the logits passes about 100.
    """
    gradient = evidence.gradient.flatten(1)
    stuck = (gradient == 0).all(1) | ~gradient.isfinite().all(1)
    share = stuck.float().mean().item()
    found = f"{share:.0%} of {len(stuck)} images have an input gradient that is zero or not finite"
    meaning = "gradient attacks cannot move them, and the curve counts them as robust; use a black box or BPDA"
    return Finding.of("zero-gradients", share > 0, share, found=found, meaning=meaning)


CHECK = zero_gradients
