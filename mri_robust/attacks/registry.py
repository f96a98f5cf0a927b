"""The attacks that are known by name."""

from mri_robust.core.registry import Registry

EVASION = Registry("mri_robust.attacks.evasion", attribute="ATTACK", kind="attack", group="mri_robust.attacks")
