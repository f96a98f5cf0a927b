"""Attacks on the input of a finished model: one file an attack; each defines `ATTACK`, a frozen dataclass."""

from mri_robust.core.registry import Registry

ATTACKS = Registry("mri_robust.attacks.evasion", attribute="ATTACK", kind="attack", group="mri_robust.attacks")
