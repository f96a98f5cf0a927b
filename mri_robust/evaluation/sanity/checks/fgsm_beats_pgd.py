"""One step beating many (Carlini et al. 2019, arXiv 1902.06705; Athalye et al. 2018, arXiv 1802.00420)."""

from __future__ import annotations

from mri_robust.evaluation.sanity.evidence import Evidence
from mri_robust.evaluation.sanity.finding import Finding


def fgsm_beats_pgd(evidence: Evidence) -> Finding:
    """Accuracy under PGD minus that under FGSM of the same size; trips above `Evidence.slack`.

    FGSM's image is one that PGD could reach: if it fools and PGD does not, PGD is stuck.
    """
    gap = max(evidence.gaps("pgd", "fgsm"))
    found = f"FGSM leaves {gap.lost:.0%} right, PGD {gap.kept:.0%} at epsilon {255 * gap.eps:.3g}/255"
    meaning = "PGD is stuck on its way, and its curve is too high; use more restarts and other step sizes"
    return Finding.of("fgsm-beats-pgd", gap.width > evidence.slack, gap.width, found=found, meaning=meaning)


CHECK = fgsm_beats_pgd
