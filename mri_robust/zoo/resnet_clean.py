"""ResNet-18, trained on clean images (section 3)."""

from __future__ import annotations

from mri_robust.study.recipe import Recipe
from mri_robust.study.setting import Setting


def recipe(setting: Setting) -> Recipe:
    """Adam 1e-4, 5 epochs, horizontal flip and rotation; from ImageNet's weights in the study."""
    return setting.recipe(
        "resnet_clean",
        "resnet18",
        study_epochs=5,
        augmentation=setting.flips(),
        **setting.first_weights("resnet18"),
    )
