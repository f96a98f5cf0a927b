"""ResNet-50 with the backdoor of Gu et al. (arXiv 1708.06733)."""

from __future__ import annotations

from mri_robust.study.backdoors import badnets
from mri_robust.study.recipe import Recipe
from mri_robust.study.setting import Setting
from mri_robust.zoo import resnet50_backdoor


def recipe(setting: Setting, share: float) -> Recipe:
    """As the study's backdoored ResNet-50, poisoned with `share` of the tumour images."""
    return resnet50_backdoor.poisoned(setting, "resnet50_badnets", badnets(setting, share))
