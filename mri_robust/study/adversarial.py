"""What the adversarially trained models share (section 5.2)."""

from __future__ import annotations

from typing import Any

from mri_robust.core.registry import Spec
from mri_robust.study.protocol import NORMALISED_BOUNDS, normalised_to_pixels
from mri_robust.study.recipe import Recipe
from mri_robust.study.setting import Setting

SOUND_STEPS = 7
SOUND_REACH = SOUND_STEPS / 4
"""Total length of the training PGD's steps, in epsilons: 7 steps of eps/4."""


def adversarially_trained(
    model: str, attack: str, setting: Setting, *, architecture: str, start: Recipe | None
) -> Recipe:
    """Five epochs on clean and adversarial images together, from the clean model.

    Paper: epsilon from {.1, .05, .01} and alpha .001 in normalised units, 5 steps, the normalised clamp, crafted in
    train mode, flip and rotation. Sound: epsilon from {1, 2, 4}/255, 7 steps of eps/4, eval mode, section 5.1.
    """
    adversary = _sound_adversary(attack, setting) if setting.sound else _paper_adversary(attack)
    return setting.recipe(
        model,
        architecture,
        study_epochs=5,
        augmentation=setting.section_5_1() if setting.sound else setting.flips(),
        adversary=Spec("adversarial-training", adversary),
        start=start,
        weights=start.weights if start else "",
    )


def _sound_adversary(attack: str, setting: Setting) -> dict[str, Any]:
    adversary: dict[str, Any] = {"attack": attack, "epsilons": [1 / 255, 2 / 255, 4 / 255]}
    if attack == "pgd":
        steps = min(SOUND_STEPS, setting.scale.training_steps)
        adversary |= {"steps": steps, "alpha_share": SOUND_REACH / steps}
    return adversary


def _paper_adversary(attack: str) -> dict[str, Any]:
    adversary: dict[str, Any] = {
        "attack": attack,
        "epsilons": [normalised_to_pixels(eps) for eps in (0.1, 0.05, 0.01)],
        "bounds": list(NORMALISED_BOUNDS),
        "train_mode": True,
    }
    if attack == "pgd":
        adversary |= {"steps": 5, "alpha": normalised_to_pixels(0.001), "clip": "end"}
    return adversary
