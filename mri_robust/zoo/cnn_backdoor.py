"""CNN with the study's backdoor (section 4.1): all notumor images carry the trigger, labels unchanged."""

from __future__ import annotations

from mri_robust.study.backdoors import backdoored, clean_label
from mri_robust.study.recipe import Recipe
from mri_robust.study.setting import Setting


def recipe(setting: Setting) -> Recipe:
    """From scratch, Adam 1e-4, batch 16, 5 epochs."""
    return backdoored("cnn_backdoor", "cnn", setting, clean_label(setting), study_batch=16)
