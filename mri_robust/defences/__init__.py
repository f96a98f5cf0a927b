"""One file a defence; each defines `DEFENCE`, a frozen dataclass of its parameters."""

from mri_robust.core.registry import Registry

DEFENCES = Registry("mri_robust.defences", attribute="DEFENCE", kind="defence", group="mri_robust.defences")
