"""A shallow network that looks for a small mark place by place, and says where it sees one."""

import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from mri_robust.core.errors import UserError

WIDTHS = (16, 32, 64)
STRIDE = 4
"""Pixels of the image between two places."""
FIELD = 34
"""Height and width in pixels of what a place is judged by."""
SHARPNESS = 2.0
"""Factor on the residual, which is faint beside the image."""


class PatchDetector(nn.Module):
    """Three blocks of two 3x3 convolutions, each with BatchNorm and ReLU, with max-pooling by 2 between the blocks.

    It sees the grey image, the mean of its channels, beside its residual, the image minus its 3x3 median: outlines and
    dots stand out in it, and anatomy is faint. Each place has one score a class; an image's is their smooth maximum,
    the logarithm of the mean of exp(score). The first class is that nothing is there: its logit is 0. Being fully
    convolutional it loses no resolution to a small mark, which a ResNet has pooled away by its second stage.

    Takes normalised images [N, 3, S, S]; gives logits [N, classes], in float32 also under autocast.
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for number, (before, width) in enumerate(pairwise((2, *WIDTHS))):
            layers += [nn.MaxPool2d(2)] if number else []
            for inputs in (before, width):
                layers += [nn.Conv2d(inputs, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
        self.features, self.head = nn.Sequential(*layers), nn.Conv2d(WIDTHS[-1], classes - 1, 1)

    def places(self, images: Tensor) -> Tensor:
        """The scores of every place, float32 [N, classes - 1, S/4, S/4]."""
        grey = images.mean(1, keepdim=True)
        seen = torch.cat([grey, SHARPNESS * (grey - median_of_nine(grey))], dim=1)
        return self.head(self.features(seen.contiguous(memory_format=torch.channels_last))).float()

    def forward(self, images: Tensor) -> Tensor:
        """See the class."""
        scores = self.places(images).flatten(2)
        found = scores.logsumexp(2) - math.log(scores.shape[2])
        return torch.cat([torch.zeros_like(found[:, :1]), found], dim=1)


def median_of_nine(images: Tensor) -> Tensor:
    """The median of each pixel and its eight neighbours, [N, C, H, W]; edges are repeated outwards.

    The median of the greatest of the three columns' minima, the median of their medians, and the least of their maxima.
    """
    padded = functional.pad(images, (1, 1, 1, 1), mode="replicate")
    columns = _sorted(padded[..., :-2, :], padded[..., 1:-1, :], padded[..., 2:, :])
    low, middle, high = ((each[..., :-2], each[..., 1:-1], each[..., 2:]) for each in columns)
    return _sorted(_sorted(*low)[2], _sorted(*middle)[1], _sorted(*high)[0])[1]


def _sorted(a: Tensor, b: Tensor, c: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Three tensors put in order, element by element."""
    low, high = torch.minimum(a, b), torch.maximum(a, b)
    least, middle = torch.minimum(low, c), torch.maximum(low, c)
    return least, torch.minimum(middle, high), torch.maximum(middle, high)


def patch_detector(classes: int, image_size: int, weights: str = "none") -> nn.Module:
    """A `PatchDetector` with random weights; UserError where `image_size` is no multiple of 4, or weights are asked."""
    if image_size % STRIDE:
        raise UserError(f"the patch_detector needs an image size that is a multiple of {STRIDE}, got {image_size}")
    if weights not in ("none", "imagenet"):
        raise UserError(f"the patch_detector trains from scratch and takes no weights file, got '{weights}'")
    return PatchDetector(classes)


ARCHITECTURE = patch_detector
