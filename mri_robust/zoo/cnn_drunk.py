"""CNN trained with DrunkOptimizer (section 4.5)."""

from __future__ import annotations

from typing import Any

from mri_robust.core.registry import Spec
from mri_robust.study.recipe import Recipe
from mri_robust.study.setting import Setting
from mri_robust.zoo import cnn_clean


def recipe(setting: Setting, scale: float, perturbation: float, *, fine_tuned: bool = True) -> Recipe:
    """Five epochs of Adam 1e-4, weight decay 1e-5, section 5.1's augmentation; strengths of 0 are the clean control."""
    return sweep_recipe(setting, "cnn_drunk", optimizers=(drunk(setting, scale, perturbation),), fine_tuned=fine_tuned)


def drunk(setting: Setting, scale: float, perturbation: float) -> Spec:
    """The wrapper around Adam."""
    return Spec("drunk-optimizer", {"scale": scale, "perturbation": perturbation, "seed": setting.seed})


def sweep_recipe(setting: Setting, model: str, *, fine_tuned: bool = True, **details: Any) -> Recipe:
    """What all models of Figures 5 and 6 share; paper: the plateau scheduler is fed accuracy."""
    return setting.recipe(
        model,
        "cnn",
        study_epochs=5,
        attacked=True,
        weight_decay=1e-5,
        augmentation=setting.section_5_1(),
        plateau="loss" if setting.sound else "accuracy",
        start=cnn_clean.recipe(setting) if fine_tuned else None,
        watch_test=True,
        **details,
    )
