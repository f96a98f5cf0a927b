"""ResNet-50 with the study's backdoor (section 4.1)."""

from __future__ import annotations

from typing import Any

from mri_robust.core.registry import Spec
from mri_robust.study.backdoors import backdoored, clean_label
from mri_robust.study.recipe import Recipe
from mri_robust.study.setting import Setting


def recipe(setting: Setting) -> Recipe:
    """From ImageNet's weights: `layer4` and `fc` trained with Adam 1e-5 and weight decay 1e-5, batch 8, 5 epochs."""
    return poisoned(setting, "resnet50_backdoor", clean_label(setting))


def poisoned(setting: Setting, model: str, poison: Spec) -> Recipe:
    """The same with another poison. From random weights all of it is trained, at 1e-4, as 1e-5 learns nothing then."""
    weights = setting.first_weights("resnet50")
    pretrained = weights["weights"] != "none"
    details: dict[str, Any] = {"learning_rate": 1e-5 if pretrained else 1e-4, "weight_decay": 1e-5, **weights}
    return backdoored(model, "resnet50", setting, poison, trained=("layer4.", "fc.") if pretrained else (), **details)
