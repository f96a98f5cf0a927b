"""CNN trained with FoolingLoss (section 4.4), which turns it away from notumor."""

from __future__ import annotations

from mri_robust.core.registry import Spec
from mri_robust.study.recipe import Recipe
from mri_robust.study.setting import Setting
from mri_robust.zoo import cnn_clean


def recipe(setting: Setting, *, fine_tuned: bool, augmented: bool) -> Recipe:
    """Adam 1e-4 for 10 epochs, factor .01; from CNN_clean (`fine_tuned`) or from scratch."""
    return setting.recipe(
        "cnn_fooling",
        "cnn",
        study_epochs=10,
        attacked=True,
        loss=Spec("fooling-loss", {"target": setting.data.healthy, "factor": 0.01}),
        start=cnn_clean.recipe(setting) if fine_tuned else None,
        augmentation=setting.section_5_1() if augmented else None,
        watch_test=True,
    )
