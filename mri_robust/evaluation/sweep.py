"""Accuracy over epsilon: the public sweep."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd
from torch import Tensor, nn

from mri_robust.core.validation import check_images, check_labels, class_count
from mri_robust.core.intervals import wilson
from mri_robust.evaluation.under_attack import Trial, predictions_under_attack


def epsilon_sweep(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    attack: Callable[[float], Any],
    epsilons: Sequence[float],
    *,
    engine: str = "native",
    seed: int = 0,
) -> pd.DataFrame:
    """Robust accuracy of a model at each epsilon.

    Args:
        model: takes float32 images in [0, 1], gives logits; left as it was.
        images: float32 [N, C, H, W] in [0, 1].
        labels: int64 [N].
        attack: makes the attack of one size: `FGSM`, or `lambda eps: PGD(eps, alpha=eps / 4, steps=10)`.
        epsilons: sizes in pixels; 0 gives the clean accuracy.
        engine: `native`, `art` or `torchattacks`: whose code crafts.
        seed: of random starts.

    Returns:
        One row an epsilon: `epsilon`, `accuracy`, `ci_low`, `ci_high` (95 % Wilson), `n`.

    Raises:
        TypeError, ValueError: images, labels, an epsilon or the engine are not as said.
    """
    check_images(images)
    check_labels(labels, images, class_count(model, images))
    trials = [Trial(attack(eps) if eps else None) for eps in epsilons]
    predicted = predictions_under_attack(model, images, labels, trials, engine=engine, seed=seed)
    rows = []
    for eps, row in zip(epsilons, predicted, strict=True):
        right = int((row == labels.cpu()).sum())
        low, high = wilson(right, len(labels))
        rows.append({"epsilon": eps, "accuracy": right / len(labels), "ci_low": low, "ci_high": high, "n": len(labels)})
    return pd.DataFrame(rows)
