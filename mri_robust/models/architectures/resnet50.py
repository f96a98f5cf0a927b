"""ResNet-50 of torchvision with a new last layer (He et al. 2015, arXiv 1512.03385), for images of any size."""

from functools import partial

from mri_robust.models.weights import torchvision_resnet

ARCHITECTURE = partial(torchvision_resnet, "resnet50")
