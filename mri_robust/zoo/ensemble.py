"""Ensemble (section 5.2): the weighted sum of the logits of CNN_FGSM, CNN_PGD and ResNet_PGD."""

from __future__ import annotations

from mri_robust.study.recipe import Recipe
from mri_robust.study.setting import Setting
from mri_robust.zoo import cnn_fgsm, cnn_pgd, resnet_pgd


def recipe(setting: Setting) -> Recipe:
    """A quarter, a quarter and a half; nothing is trained."""
    members = (cnn_fgsm.recipe(setting), cnn_pgd.recipe(setting), resnet_pgd.recipe(setting))
    return Recipe(
        model="ensemble",
        architecture="ensemble",
        image_size=setting.scale.image_size,
        channels=setting.data.channels,
        seed=setting.seed,
        members=members,
        shares=(0.25, 0.25, 0.5),
        weights=members[2].weights,
    )
