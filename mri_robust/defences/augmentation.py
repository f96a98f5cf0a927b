"""Random changes of the training images (section 5.1): drawn first, image by image, then applied to the whole batch."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn.functional import grid_sample

from mri_robust.core.machine import one_thread
from mri_robust.core.packages import import_torchvision
from mri_robust.core.validation import check_number

import_torchvision()

from torchvision.transforms.v2 import functional as transforms  # noqa: E402

_CHUNK = 2**18
"""Numbers changed at a time: images that stay in the processor's cache take half the time."""
Box = tuple[int, int, int, int]  # top, left, height and width in pixels
Pair = tuple[float, float]


@dataclass
class Drawn:
    """What is drawn for one image: flips, rotation in degrees, (function, factor) of its colours, crop and hole."""

    horizontal: bool = False
    vertical: bool = False
    angle: float = 0.0
    colours: list[tuple[Callable[[Tensor, float], Tensor], float]] = field(default_factory=list)
    crop: Box | None = None
    hole: Box | None = None


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
        for name, value in vars(self).items():
            check_number(name, value, 0.0, {"degrees": 180.0, "hue": 0.5}.get(name, 1.0))

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """A copy of the images [N, C, S, S] in [0, 1], each changed by itself."""
        drawn = [self.draw(images.shape[1:], generator) for _ in images]
        changed, some = images.new_empty(images.shape), max(1, _CHUNK // images[0].numel())
        with one_thread():
            for begin in range(0, len(images), some):
                part = slice(begin, begin + some)
                changed[part] = _turned(images[part], drawn[part])
            for image, each in zip(changed, drawn, strict=True):
                _finish(image, each)
        return changed

    def draw(self, shape: torch.Size | tuple[int, ...], generator: torch.Generator) -> Drawn:
        """Draw the changes of one image of shape [C, S, S]."""

        def uniform(low: float, high: float) -> float:
            return low + (high - low) * float(torch.rand((), generator=generator, dtype=torch.float64))

        drawn = Drawn(uniform(0, 1) < self.horizontal_flip, uniform(0, 1) < self.vertical_flip)
        if self.degrees:
            drawn.angle = uniform(-self.degrees, self.degrees)
        for amount, middle, change in (
            (self.brightness, 1, transforms.adjust_brightness),
            (self.contrast, 1, transforms.adjust_contrast),
            (self.saturation * (shape[0] == 3), 1, transforms.adjust_saturation),
            (self.hue * (shape[0] == 3), 0, transforms.adjust_hue),
        ):
            if amount:
                drawn.colours.append((change, uniform(middle - amount, middle + amount)))
        order = torch.randperm(len(drawn.colours), generator=generator)
        drawn.colours = [drawn.colours[place] for place in order]
        if self.crop_scale < 1:
            drawn.crop = draw_box(shape[-1], (self.crop_scale, 1.0), (3 / 4, 4 / 3), uniform)
        if uniform(0, 1) < self.erase:
            drawn.hole = draw_box(shape[-1], (0.02, 0.2), (0.3, 3.3), uniform)
        return drawn


def rotate_each(images: Tensor, angles: list[float]) -> Tensor:
    """Rotate each of the images [N, C, S, S] by its own angle in degrees; the same bits as torchvision's `rotate`."""
    side = images.shape[-1]
    radians = [math.radians(-(angle % 360)) for angle in angles]
    turns = torch.tensor([[[math.cos(r), -math.sin(r)], [math.sin(r), math.cos(r)]] for r in radians]) / (0.5 * side)
    along = torch.linspace((1 - side) * 0.5, (side - 1) * 0.5, side) * turns[..., None]  # [N, column or row, x or y, S]
    grid = (along[:, 0, :, None, :] + along[:, 1, :, :, None]).permute(0, 2, 3, 1)
    return grid_sample(images, grid, mode="nearest", padding_mode="zeros", align_corners=False)


def draw_box(side: int, scale: Pair, ratio: Pair, uniform: Callable[[float, float], float]) -> Box:
    """A box in a square, of uniform area and log-uniform aspect ratio; the whole square if ten draws do not fit."""
    for _ in range(10):
        area = side * side * uniform(*scale)
        aspect = math.exp(uniform(math.log(ratio[0]), math.log(ratio[1])))
        width, height = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if 0 < width <= side and 0 < height <= side:
            return int(uniform(0, side - height + 1)), int(uniform(0, side - width + 1)), height, width
    return 0, 0, side, side


def _turned(images: Tensor, drawn: list[Drawn]) -> Tensor:
    """The images [N, C, S, S], each flipped and rotated as was drawn for it."""
    for flips, dimension in (([each.horizontal for each in drawn], 3), ([each.vertical for each in drawn], 2)):
        if any(flips):
            images = torch.where(torch.tensor(flips).view(-1, 1, 1, 1), images.flip(dimension), images)
    return rotate_each(images, [each.angle for each in drawn]) if any(each.angle for each in drawn) else images


def _finish(image: Tensor, drawn: Drawn) -> None:
    """Colours, crop and hole of one image [C, S, S], in place."""
    changed = image
    for change, factor in drawn.colours:
        changed = change(changed, factor)
    if drawn.crop:
        changed = transforms.resized_crop(changed, *drawn.crop, size=list(image.shape[-2:]), antialias=True)
    if changed is not image:
        image.copy_(changed)
    if drawn.hole:
        transforms.erase(image, *drawn.hole, torch.zeros(1), inplace=True)
