"""CNN_clean (section 3): the study's own network, trained on clean images."""

from __future__ import annotations

from mri_robust.study.recipe import Recipe
from mri_robust.study.setting import Setting


def recipe(setting: Setting) -> Recipe:
    """Cross entropy, Adam 1e-4, 10 epochs, no augmentation."""
    return setting.recipe("cnn_clean", "cnn", study_epochs=10)
