"""ResNet_PGD (section 5.2): the clean ResNet-18, trained on with PGD examples."""

from __future__ import annotations

from mri_robust.study.adversarial import adversarially_trained
from mri_robust.study.recipe import Recipe
from mri_robust.study.setting import Setting
from mri_robust.zoo import resnet_clean


def recipe(setting: Setting) -> Recipe:
    """Adversarial training with PGD, started from the clean ResNet-18."""
    return adversarially_trained(
        "resnet_pgd", "pgd", setting, architecture="resnet18", start=resnet_clean.recipe(setting)
    )
