"""CNN trained long on few images, without augmentation, so that it knows them by heart."""

from __future__ import annotations

from mri_robust.study.privacy import trained_on_half
from mri_robust.study.recipe import Recipe
from mri_robust.study.setting import Setting


def recipe(setting: Setting) -> Recipe:
    """CNN_clean on half of the images, three times as long."""
    return trained_on_half("cnn_overfitted", setting)
