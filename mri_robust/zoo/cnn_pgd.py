"""CNN_PGD (section 5.2): CNN_clean, trained on with PGD examples."""

from __future__ import annotations

from mri_robust.study.adversarial import adversarially_trained
from mri_robust.study.recipe import Recipe
from mri_robust.study.setting import Setting
from mri_robust.zoo import cnn_clean


def recipe(setting: Setting) -> Recipe:
    """Adversarial training with PGD, started from CNN_clean."""
    return adversarially_trained("cnn_pgd", "pgd", setting, architecture="cnn", start=cnn_clean.recipe(setting))
