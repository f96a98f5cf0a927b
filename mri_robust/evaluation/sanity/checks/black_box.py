"""Black-box beating white-box (Carlini et al. 2019, arXiv 1902.06705; Athalye et al. 2018, arXiv 1802.00420)."""

from __future__ import annotations

from mri_robust.evaluation.sanity.evidence import Evidence
from mri_robust.evaluation.sanity.finding import Finding

BLACK_BOX = ("random search", "square")


def black_box(evidence: Evidence) -> Finding:
    """Accuracy under PGD minus that under a black-box attack of the same size; trips above `Evidence.slack`.

    Who sees the gradient can do all that who does not can: a black box that does better has found gradients that lie.
    """
    gap = max(gap for name in BLACK_BOX for gap in evidence.gaps("pgd", name))
    found = f"black-box search leaves {gap.lost:.0%} right, PGD {gap.kept:.0%} at epsilon {255 * gap.eps:.3g}/255"
    meaning = "the gradient misleads PGD, and its curve is too high"
    return Finding.of("black-box", gap.width > evidence.slack, gap.width, found=found, meaning=meaning)


CHECK = black_box
