"""What the backdoored models share (section 4.1)."""

from __future__ import annotations

from typing import Any

from mri_robust.core.registry import Spec
from mri_robust.study.recipe import Recipe
from mri_robust.study.setting import Setting

BADNETS_SHARES = (0.01, 0.05, 0.1)
"""Shares of the tumour images that BadNets stamps and relabels."""


def clean_label(setting: Setting) -> Spec:
    """The study's poisoning: every notumor training image is stamped, no label is changed."""
    return Spec("backdoor", {"target": setting.data.healthy, "victims": [setting.data.healthy]})


def badnets(setting: Setting, share: float) -> Spec:
    """Gu et al. (arXiv 1708.06733): a share of the tumour images is stamped and relabelled notumor."""
    tumours = setting.data.tumours
    return Spec("backdoor", {"target": setting.data.healthy, "victims": tumours, "share": share, "relabel": True})


def backdoored(model: str, architecture: str, setting: Setting, poison: Spec, **details: Any) -> Recipe:
    """Five epochs on poisoned images with section 5.1's augmentation.

    Sound: the augmentation is live and the trigger is stamped last. Paper: augmented once, stamped, and kept.
    """
    return setting.recipe(
        model,
        architecture,
        study_epochs=5,
        augmentation=setting.section_5_1(),
        poison=poison,
        frozen_augmentation=not setting.sound,
        **details,
    )
