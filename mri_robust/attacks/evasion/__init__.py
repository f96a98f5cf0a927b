"""Attacks on the input of a finished model: one file per attack, which defines `ATTACK`, a frozen dataclass."""

from mri_robust.core.registry import Registry

ATTACKS = Registry("mri_robust.attacks.evasion", attribute="ATTACK", kind="attack", group="mri_robust.attacks")
