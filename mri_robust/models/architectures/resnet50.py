"""ResNet-50 of torchvision with a new last layer (He et al. 2015, arXiv 1512.03385)."""

from __future__ import annotations

from torch import nn

from mri_robust.models.pretrained import torchvision_resnet


def resnet50(classes: int, image_size: int, weights: str = "none") -> nn.Module:
    """torchvision's ResNet-50, its `fc` replaced by one of `classes` outputs; any image size.

    `weights`: `none`, `imagenet` (IMAGENET1K_V1 from torch's hub cache, else downloaded) or the path of a state dict.

    Raises:
        UserError: the weights cannot be had or do not fit.
    """
    return torchvision_resnet("resnet50", classes, weights)


ARCHITECTURE = resnet50
