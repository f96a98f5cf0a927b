"""CNN with the backdoor of Gu et al. (arXiv 1708.06733): a share of the tumour images stamped and relabelled."""

from __future__ import annotations

from mri_robust.study.backdoors import backdoored, badnets
from mri_robust.study.recipe import Recipe
from mri_robust.study.setting import Setting


def recipe(setting: Setting, share: float) -> Recipe:
    """As the study's backdoored CNN, poisoned with `share` of the tumour images."""
    return backdoored("cnn_badnets", "cnn", setting, badnets(setting, share), study_batch=16)
