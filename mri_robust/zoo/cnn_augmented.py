"""CNN_overfitted with augmentation."""

from __future__ import annotations

from mri_robust.study.privacy import trained_on_half
from mri_robust.study.recipe import Recipe
from mri_robust.study.setting import Setting


def recipe(setting: Setting) -> Recipe:
    """CNN_overfitted with section 5.1's augmentation."""
    return trained_on_half("cnn_augmented", setting, augmentation=setting.section_5_1())
