"""Watch for catastrophic overfitting: single-step training that a multi-step attack breaks (arXiv 2001.03994)."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from mri_robust.attacks.evasion.fgsm import FGSM
from mri_robust.attacks.evasion.pgd import PGD
from mri_robust.evaluation.under_attack import BATCH, Trial, predictions_under_attack

GAP = 0.3
"""FGSM accuracy above PGD accuracy by more than this is reported."""


def watch_overfitting(model: nn.Module, images: np.ndarray, labels: np.ndarray, eps: float) -> dict[str, Any]:
    """Accuracy on 64 training images, clean, under FGSM, and under PGD of 10 steps, all of size `eps`.

    Returns:
        `clean`, `fgsm`, `pgd` in [0, 1], and `overfitted`: FGSM is resisted and PGD is not.
    """
    some = np.linspace(0, len(labels) - 1, min(BATCH, len(labels))).astype(int)
    trials = [Trial(None), Trial(FGSM(eps)), Trial(PGD(eps, alpha=eps / 4, steps=10))]
    truth = torch.from_numpy(labels[some])
    predicted = predictions_under_attack(model, torch.from_numpy(images[some]), truth, trials)
    clean, fgsm, pgd = ((row == truth).float().mean().item() for row in predicted)
    return {"clean": clean, "fgsm": fgsm, "pgd": pgd, "overfitted": fgsm - pgd > GAP}
