"""Geometric outlines at random places (section 5.3): what a snooping detector learns to see."""

from dataclasses import dataclass
from functools import cache
from math import ceil, floor, sqrt
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from mri_robust.core.validation import check_choice, check_count, check_images

EXTENTS = {
    "circle": {"small": 10, "mid": 24, "large": 60},
    **{shape: {"small": 8, "mid": 20, "large": 50} for shape in ("square", "cross", "triangle")},
}
"""Shape -> size -> height and width in pixels of the canvas; a circle's is twice its radius of 5, 12 or 30."""
SHAPES = tuple(EXTENTS)
SIZES = ("small", "mid", "large")
DARKEST, BRIGHTEST = 0.4, 0.8
"""The range of grey levels, as shares of white."""


class Outline(NamedTuple):
    """One drawn outline: its shape and size, the upper left corner in pixels of the canvas, and grey level, 0 to 255.

    A `cross` is two diagonals, a `triangle` is right-angled at the lower left.
    """

    shape: str
    size: str
    top: int
    left: int
    grey: int

    @property
    def extent(self) -> int:
        """Height and width, pixels of the canvas."""
        return EXTENTS[self.shape][self.size]


@dataclass(frozen=True)
class Patterns:
    """One or several outlines on each image, of random shape, size, place and grey level.

    They are measured on a canvas of the original image's size, and only their mask is resized to the image. Enlarging
    an image to stamp it and shrinking it again would blur stamped images only, and a detector would learn the blur.
    Where the original is smooth the two are the same. A `canvas` of the image's size draws after the resize.

    Attributes:
        sizes, shapes: to draw from.
        least, most: outlines per image; their number is uniform.
        canvas: height and width in pixels that sizes and places are measured in; it holds the largest outline.
        width: of the lines, pixels of the canvas.
    """

    sizes: tuple[str, ...] = SIZES
    shapes: tuple[str, ...] = SHAPES
    least: int = 1
    most: int = 3
    canvas: int = 512
    width: int = 2

    def __post_init__(self) -> None:
        for name, given, known in (("sizes", self.sizes, SIZES), ("shapes", self.shapes, SHAPES)):
            if not isinstance(given, tuple) or not given:
                raise TypeError(f"{name} must be a tuple of one or more of {', '.join(known)}, got {given!r}")
            for each in given:
                check_choice(name, each, known)
        for name in ("least", "canvas", "width"):
            check_count(name, getattr(self, name))
        check_count("most", self.most, self.least)
        largest = max(EXTENTS[shape][size] for shape in self.shapes for size in self.sizes)
        if largest > self.canvas:
            raise ValueError(f"canvas must be at least {largest} pixels for the largest outline, got {self.canvas}")

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """A copy of images, float32 [N, C, S, S] in [0, 1] or TypeError, ValueError; each with fresh outlines."""
        check_images(images)
        return torch.stack([self.apply(image, self.draw(generator)) for image in images])

    def draw(self, generator: torch.Generator) -> tuple[Outline, ...]:
        """Random outlines for one image; each lies inside the canvas, at a uniform place."""
        count = self.least + int(below(self.most - self.least + 1, generator))
        return tuple(self._draw_one(generator) for _ in range(count))

    def _draw_one(self, generator: torch.Generator) -> Outline:
        shape, size = (kinds[int(below(len(kinds), generator))] for kinds in (self.shapes, self.sizes))
        top, left = (int(below(self.canvas - EXTENTS[shape][size] + 1, generator)) for _ in range(2))
        return Outline(shape, size, top, left, int(255 * (DARKEST + below(BRIGHTEST - DARKEST, generator))))

    def apply(self, image: Tensor, outlines: tuple[Outline, ...]) -> Tensor:
        """A copy of one image [C, S, S] in [0, 1] with the outlines drawn in order; other pixels keep their bits.

        ValueError where the image is not square, or an outline does not lie inside the canvas.
        """
        side = image.shape[-1]
        if image.shape[-2] != side:
            raise ValueError(f"patterns are drawn on square images, got {image.shape[-2]}x{side}")
        stamped = image.clone()
        for outline in outlines:
            if min(outline.top, outline.left) < 0 or max(outline.top, outline.left) + outline.extent > self.canvas:
                raise ValueError(f"{outline} does not lie inside a canvas of {self.canvas} pixels")
            region, opacity = covered(stamped, self.shape_of(outline), outline.top, outline.left, self.canvas)
            region.mul_(1 - opacity).add_(outline.grey / 255 * opacity)
        return stamped

    def shape_of(self, outline: Outline) -> Image.Image:
        """1 on the outline and 0 elsewhere, in pixels of the canvas."""
        return _shape_mask(outline.shape, outline.extent, self.width)


def covered(image: Tensor, shape: Image.Image, top: int, left: int, canvas: int) -> tuple[Tensor, Tensor]:
    """What a shape that lies at a place of a canvas touches of a square image [C, S, S].

    Returns a view of these pixels, [C, h, w], and the share of each that is covered, [h, w].
    """
    side = image.shape[-1]
    whole = Image.new("F", (canvas, canvas))
    whole.paste(shape, (left, top))
    rows, columns = _touched(top, shape.height, canvas, side), _touched(left, shape.width, canvas, side)
    # Pillow also weighs pixels around the box, so this equals a part of the whole canvas resized.
    box = [edge * canvas / side for edge in (columns[0], rows[0], columns[1], rows[1])]
    size = (columns[1] - columns[0], rows[1] - rows[0])
    mask = whole.resize(size, Image.Resampling.BILINEAR, box=tuple(box))  # type: ignore[arg-type]
    return image[:, slice(*rows), slice(*columns)], torch.from_numpy(np.array(mask)).to(image)


def _touched(start: int, extent: int, canvas: int, side: int) -> tuple[int, int]:
    """The first row of the image, and one past the last, that rows `start` to `start + extent` spread into."""
    scale = canvas / side
    reach = max(scale, 1.0)
    low, high = (start - reach) / scale - 0.5, (start + extent + reach) / scale - 0.5
    return max(floor(low), 0), min(ceil(high) + 1, side)


@cache
def _shape_mask(shape: str, extent: int, width: int) -> Image.Image:
    """1 on the outline and 0 elsewhere; float [extent, extent]."""
    mask = Image.new("L", (extent, extent))
    draw, end = ImageDraw.Draw(mask), extent - 1
    if shape in ("circle", "square"):
        outline = draw.ellipse if shape == "circle" else draw.rectangle
        outline((0, 0, end, end), outline=1, width=width)
    elif shape == "triangle":
        draw.polygon(((0, 0), (0, end), (end, end)), outline=1, width=width)
    else:
        # Pillow's own thick diagonals are lopsided; a line of this width covers sqrt(2) times as many pixels per row.
        half = round((sqrt(2) * width - 1) / 2)
        for shift in range(-half, half + 1):
            draw.line((shift, 0, shift + end, end), fill=1)
            draw.line((end - shift, 0, -shift, end), fill=1)
    return mask.convert("F")


def below(limit: float, generator: torch.Generator) -> float:
    """A number, uniform in [0, limit)."""
    return limit * float(torch.rand((), generator=generator, dtype=torch.float64))
