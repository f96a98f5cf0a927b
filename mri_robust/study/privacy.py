"""Models whose training images an attacker looks for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from mri_robust.study.recipe import Recipe
from mri_robust.study.setting import Setting

LONG = 30
"""Epochs: three times the study's."""


def trained_on_half(model: str, setting: Setting, **details: Any) -> Recipe:
    """The study's CNN, trained three times as long on half of the training images, drawn with the seed.

    The other half was drawn from the same images, so that nothing but the training tells the two apart.

    Args:
        model: its id.
        setting: where; a scale that takes fewer images halves those.
        details: further fields of `Recipe`.
    """
    images = min(setting.data.train_images, setting.scale.train_images or setting.data.train_images)
    return replace(setting.recipe(model, "cnn", study_epochs=LONG, **details), train_images=images // 2)
