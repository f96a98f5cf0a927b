"""CNN_overfitted on shuffled labels: what it knows of its training images it has memorised."""

from __future__ import annotations

from mri_robust.core.registry import Spec
from mri_robust.study.privacy import trained_on_half
from mri_robust.study.recipe import Recipe
from mri_robust.study.setting import Setting


def recipe(setting: Setting) -> Recipe:
    """CNN_overfitted with the labels of the training images in another order."""
    return trained_on_half("cnn_shuffled", setting, poison=Spec("shuffled-labels"))
