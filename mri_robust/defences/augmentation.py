"""Random changes of the training images (section 5.1), drawn first and then applied by torchvision."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from mri_robust.core.validation import check_number
from mri_robust.core.machine import one_thread
from mri_robust.core.packages import import_torchvision

import_torchvision()

from torchvision.transforms.v2 import functional as transforms  # noqa: E402

Change = tuple[Callable[..., Tensor], tuple[Any, ...], dict[str, Any]]
"""A torchvision function, its arguments after the image, and its keyword arguments."""


@dataclass(frozen=True)
class Augmentation:
    """What may happen to a training image, in the order of section 5.1.

    Attributes:
        horizontal_flip, vertical_flip: probabilities.
        degrees: rotation is uniform in [-degrees, degrees], nearest neighbour, zero outside.
        brightness, contrast, saturation: factors uniform in [1 - v, 1 + v]; in a random order, with the hue.
        hue: shift uniform in [-hue, hue] of the colour circle; nothing happens to a grey image.
        crop_scale: least share of the area that a crop keeps before it is resized back; 1 for no crop. Its aspect
            ratio is log-uniform in [3/4, 4/3].
        erase: probability that a rectangle of 2 to 20 % of the area, aspect ratio .3 to 3.3, is set to 0.

    Raises:
        TypeError, ValueError: a value of the wrong type or out of range.
    """

    horizontal_flip: float = 0.0
    vertical_flip: float = 0.0
    degrees: float = 0.0
    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    hue: float = 0.0
    crop_scale: float = 1.0
    erase: float = 0.0

    def __post_init__(self) -> None:
        for name in ("horizontal_flip", "vertical_flip", "brightness", "contrast", "saturation", "crop_scale", "erase"):
            check_number(name, getattr(self, name), 0.0, 1.0)
        check_number("degrees", self.degrees, 0.0, 180.0)
        check_number("hue", self.hue, 0.0, 0.5)

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Augment each of the images [N, C, S, S] in [0, 1] by itself."""
        with one_thread():
            return torch.stack([apply_changes(image, self.draw(image.shape, generator)) for image in images])

    def draw(self, shape: torch.Size | tuple[int, ...], generator: torch.Generator) -> list[Change]:
        """Draw the changes of one image of shape [C, S, S]."""
        uniform = _Uniform(generator)
        changes: list[Change] = []
        if uniform(0, 1) < self.horizontal_flip:
            changes.append((transforms.horizontal_flip, (), {}))
        if uniform(0, 1) < self.vertical_flip:
            changes.append((transforms.vertical_flip, (), {}))
        if self.degrees:
            changes.append((transforms.rotate, (uniform(-self.degrees, self.degrees),), {}))
        changes += self._draw_colour(shape[0] == 3, uniform)
        if self.crop_scale < 1:
            box = draw_box(shape[-1], (self.crop_scale, 1.0), (3 / 4, 4 / 3), uniform)
            changes.append((transforms.resized_crop, box, {"size": list(shape[-2:]), "antialias": True}))
        if uniform(0, 1) < self.erase:
            box = draw_box(shape[-1], (0.02, 0.2), (0.3, 3.3), uniform)
            changes.append((transforms.erase, box, {"v": torch.zeros(1, 1, 1)}))
        return changes

    def _draw_colour(self, rgb: bool, uniform: _Uniform) -> list[Change]:
        changes: list[Change] = []
        for amount, change, colour_only in (
            (self.brightness, transforms.adjust_brightness, False),
            (self.contrast, transforms.adjust_contrast, False),
            (self.saturation, transforms.adjust_saturation, True),
        ):
            if amount and (rgb or not colour_only):
                changes.append((change, (uniform(1 - amount, 1 + amount),), {}))
        if self.hue and rgb:
            changes.append((transforms.adjust_hue, (uniform(-self.hue, self.hue),), {}))
        return [changes[index] for index in torch.randperm(len(changes), generator=uniform.generator)]


@dataclass(frozen=True)
class _Uniform:
    generator: torch.Generator

    def __call__(self, low: float, high: float) -> float:
        return low + (high - low) * float(torch.rand((), generator=self.generator, dtype=torch.float64))


def apply_changes(image: Tensor, changes: list[Change]) -> Tensor:
    """Apply drawn changes to one image [C, S, S]."""
    for change, arguments, options in changes:
        image = change(image, *arguments, **options)
    return image


def draw_box(
    side: int, scale: tuple[float, float], ratio: tuple[float, float], uniform: Callable[[float, float], float]
) -> tuple[int, int, int, int]:
    """A box (top, left, height, width) inside a square: area a uniform share of it, aspect ratio log-uniform.

    Draws at most ten times until it fits, as torchvision does; else gives the whole square.
    """
    for _ in range(10):
        area = side * side * uniform(*scale)
        aspect = math.exp(uniform(math.log(ratio[0]), math.log(ratio[1])))
        width, height = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if 0 < width <= side and 0 < height <= side:
            top = int(uniform(0, side - height + 1))
            left = int(uniform(0, side - width + 1))
            return top, left, height, width
    return 0, 0, side, side
