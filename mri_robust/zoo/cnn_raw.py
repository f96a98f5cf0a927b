"""CNN_clean on images that were never normalised: what the study's CNN_clean columns look as if made on."""

from __future__ import annotations

from mri_robust.study.recipe import Recipe
from mri_robust.study.setting import Setting


def recipe(setting: Setting) -> Recipe:
    """CNN_clean with mean 0 and std 1 in place of the normalisation."""
    return setting.recipe("cnn_raw", "cnn", study_epochs=10, mean=0.0, std=1.0)
