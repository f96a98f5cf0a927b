"""CNN_PGD from random weights: the study says that adversarial training needs a clean start."""

from __future__ import annotations

from mri_robust.study.adversarial import adversarially_trained
from mri_robust.study.recipe import Recipe
from mri_robust.study.setting import Setting


def recipe(setting: Setting) -> Recipe:
    """Adversarial training with PGD, started from scratch."""
    return adversarially_trained("cnn_pgd_scratch", "pgd", setting, architecture="cnn", start=None)
