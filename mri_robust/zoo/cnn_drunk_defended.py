"""CNN trained with DrunkOptimizer, defended by noise on the gradients (section 6.5)."""

from __future__ import annotations

from typing import Any

from mri_robust.core.registry import Spec
from mri_robust.study.recipe import Recipe
from mri_robust.study.setting import Setting
from mri_robust.zoo.cnn_drunk import drunk, sweep_recipe

NOISE = 0.01
STRENGTH = 3


def recipe(setting: Setting, *, attacked: bool = True, clip_norm: float | None = None) -> Recipe:
    """Gradients plus .01 of noise, clipped to `clip_norm`, then spoilt by DrunkOptimizer where `attacked`.

    Paper: the loop stepped another model's optimizer, so this one's weights never moved (learning rate 0) and only
    BatchNorm's statistics did: fault `reused-optimizer`.
    """
    spoilt = (drunk(setting, STRENGTH, STRENGTH),) if attacked else ()
    details: dict[str, Any] = {} if setting.sound else {"learning_rate": 0.0}
    noise = Spec("drunk-optimizer", {"perturbation": NOISE, "seed": setting.seed + 1})
    return sweep_recipe(setting, "cnn_drunk_defended", optimizers=(*spoilt, noise), clip_norm=clip_norm, **details)
