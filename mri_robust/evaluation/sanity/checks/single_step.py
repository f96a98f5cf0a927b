"""Robust to one step, broken by many: catastrophic overfitting (Wong et al. 2020, arXiv 2001.03994)."""

from __future__ import annotations

from mri_robust.evaluation.overfitting import GAP
from mri_robust.evaluation.sanity.evidence import Evidence
from mri_robust.evaluation.sanity.finding import Finding


def single_step(evidence: Evidence) -> Finding:
    """Accuracy under FGSM minus that under PGD of the same size; trips above .3, as the watch over training does.

    A model may lose some accuracy to each further step; one that loses this much was not robust to begin with.
    """
    gap = max(evidence.gaps("fgsm", "pgd"))
    found = f"FGSM leaves {gap.kept:.0%} right, PGD {gap.lost:.0%} at epsilon {255 * gap.eps:.3g}/255"
    meaning = "the model resists a single step only; its FGSM curve says nothing of robustness, read PGD's"
    return Finding.of("single-step", gap.width > GAP, gap.width, found=found, meaning=meaning)


CHECK = single_step
