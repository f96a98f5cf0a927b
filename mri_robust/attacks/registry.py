"""The attacks that are known by name."""

from mri_robust.core.registry import Registry

EVASION = Registry("mri_robust.attacks.evasion", attribute="ATTACK", kind="attack", group="mri_robust.attacks")
POISONING = Registry(
    "mri_robust.attacks.poisoning", attribute="ATTACK", kind="poisoning attack", group="mri_robust.poisoning_attacks"
)
TRIGGERS = Registry("mri_robust.attacks.triggers", attribute="TRIGGER", kind="trigger", group="mri_robust.triggers")
TRAINING = Registry(
    "mri_robust.attacks.training", attribute="ATTACK", kind="training-time attack", group="mri_robust.training_attacks"
)
PRIVACY = Registry(
    "mri_robust.attacks.privacy", attribute="ATTACK", kind="privacy attack", group="mri_robust.privacy_attacks"
)
