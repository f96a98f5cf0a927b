"""CNN trained with NoisyLoss (section 4.4)."""

from __future__ import annotations

from mri_robust.core.registry import Spec
from mri_robust.study.recipe import Recipe
from mri_robust.study.setting import Setting
from mri_robust.zoo import cnn_clean


def recipe(setting: Setting, strength: float, epochs: int, *, fine_tuned: bool, augmented: bool) -> Recipe:
    """Adam 1e-4 on cross entropy of noisy logits; from CNN_clean (`fine_tuned`) or from scratch."""
    return setting.recipe(
        "cnn_noisy",
        "cnn",
        study_epochs=epochs,
        attacked=True,
        loss=Spec("noisy-loss", {"strength": strength, "seed": setting.seed}),
        start=cnn_clean.recipe(setting) if fine_tuned else None,
        augmentation=setting.section_5_1() if augmented else None,
        watch_test=True,
    )
