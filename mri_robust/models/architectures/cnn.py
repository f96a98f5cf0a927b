"""The study's own network (section 3, Figure 1)."""

from itertools import pairwise

from torch import nn

from mri_robust.core.errors import UserError

WIDTHS = (32, 64, 128)
HIDDEN = 512


def cnn(classes: int, image_size: int, weights: str = "none") -> nn.Module:
    """Three blocks of conv 3x3 - BatchNorm - max-pool 2 - ReLU, then two linear layers with a ReLU between.

    Pooling before the ReLU gives the same numbers as after it, on a quarter of the pixels.

    Takes normalised images [N, 3, S, S], S = `image_size` a multiple of 8; gives logits [N, classes].
    51,476,484 parameters at 224 pixels and 4 classes; the flattened width 128*(S/8)^2 follows the size. UserError where
    `image_size` is no multiple of 8, or a weights file is given.
    """
    if image_size % 8:
        raise UserError(f"the cnn needs an image size that is a multiple of 8, got {image_size}")
    if weights not in ("none", "imagenet"):
        raise UserError(f"the cnn trains from scratch and takes no weights file, got '{weights}'")
    layers: list[nn.Module] = []
    for before, width in pairwise((3, *WIDTHS)):
        layers += [nn.Conv2d(before, width, 3, padding=1), nn.BatchNorm2d(width), nn.MaxPool2d(2), nn.ReLU()]
    flat = WIDTHS[-1] * (image_size // 8) ** 2
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(flat, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, classes))


ARCHITECTURE = cnn
