"""ResNet-18 of torchvision with a new last layer (He et al. 2015, arXiv 1512.03385)."""

from __future__ import annotations

from torch import nn

from mri_robust.models.weights import torchvision_resnet


def resnet18(classes: int, image_size: int, weights: str = "none") -> nn.Module:
    """ResNet-18 for images of any size; `weights` and errors as in `torchvision_resnet`."""
    return torchvision_resnet("resnet18", classes, weights)


ARCHITECTURE = resnet18
