"""An attack without limits that does not win (Carlini et al. 2019, arXiv 1902.06705)."""

from __future__ import annotations

import torch

from mri_robust.evaluation.sanity.evidence import LARGE, Evidence
from mri_robust.evaluation.sanity.finding import Finding


def large_epsilon(evidence: Evidence) -> Finding:
    """Accuracy under PGD of epsilon .5; trips above chance, the share of the most frequent label.

    At .5 every image can be made the same grey one, which a model calls one class: no model can be right on more
    than that class's share, at least 1/K of K classes. More is the attack's failure for certain.
    """
    accuracy = evidence.measured["pgd"][LARGE]
    chance = torch.bincount(evidence.labels).max().item() / len(evidence.labels)
    found = f"PGD of epsilon {LARGE:g} leaves {accuracy:.0%} right, and no model can keep more than {chance:.0%}"
    meaning = "the attack fails even without limits, and the curve is too high"
    return Finding.of("large-epsilon", accuracy > chance, accuracy, found=found, meaning=meaning)


CHECK = large_epsilon
