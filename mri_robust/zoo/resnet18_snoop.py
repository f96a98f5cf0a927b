"""The snooping detector (section 5.3): ResNet-18 that tells images with a drawn pattern from those without."""

from __future__ import annotations

from typing import Any

from mri_robust.core.registry import Spec
from mri_robust.study.recipe import Recipe
from mri_robust.study.setting import Setting
from mri_robust.study.snooping import pattern_canvas

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def recipe(setting: Setting, sizes: tuple[str, ...]) -> Recipe:
    """Adam 1e-4, batch 8, 10 epochs; one to three patterns on half of the images.

    Sound: fresh patterns in every epoch, and the threshold that catches 95 % of a held-out tenth. Paper: the patterns
    of an image come from its index, and the threshold is .5.
    """
    patterns = {"sizes": list(sizes), "canvas": pattern_canvas(setting)}
    how: dict[str, Any] = {"validation": 0.15, "recall": 0.95} if setting.sound else {"fixed": True}
    return setting.recipe(
        "resnet18_snoop",
        "resnet18",
        study_epochs=10,
        snooping=Spec("snooping", {"patterns": patterns, **how}),
        **setting.first_weights("resnet18"),
    )
