"""One file per architecture: `ARCHITECTURE`, a function `(classes: int, image_size: int, weights: str) -> Module`."""

from mri_robust.core.registry import Registry

ARCHITECTURES = Registry(
    "mri_robust.models.architectures", attribute="ARCHITECTURE", kind="model", group="mri_robust.models"
)
