"""How well a detector tells poisoned images from clean ones, as rows of the result table."""

from __future__ import annotations

from typing import Any

import numpy as np

from mri_robust.evaluation.rates import share
from mri_robust.evaluation.roc import auc_row


def detection_rows(poisoned: np.ndarray, flagged: np.ndarray, scores: np.ndarray | None = None) -> list[dict[str, Any]]:
    """Precision, recall, false-positive rate and AUC, those that there are images for.

    Args:
        poisoned: bool [N], the truth.
        flagged: bool [N], what the detector says.
        scores: float [N], how suspicious it finds each image; None for a detector without a score.

    Returns:
        Precision has no row where nothing is flagged, and none where nothing is poisoned; so has recall there.
    """
    rows = []
    if poisoned.any():
        rows += [share(poisoned[flagged], "precision")] if flagged.any() else []
        rows.append(share(flagged[poisoned], "recall"))
    if not poisoned.all():
        rows.append(share(flagged[~poisoned], "fpr"))
    if scores is not None and poisoned.any() and not poisoned.all():
        rows.append(auc_row(poisoned.astype(np.int64), scores))
    return rows
