"""Marks of many kinds at random places: what a detector learns to see so that it knows a mark that it never saw."""

from dataclasses import dataclass, field

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from mri_robust.attacks.poisoning.patterns import Patterns, below, covered
from mri_robust.core.validation import check_count, check_images, check_number

FAINTEST = 0.1
"""Least opacity of a mark."""
AT_EDGE = 0.25
"""Share of the marks that is pushed to an edge of the image, where triggers and watermarks stand."""


@dataclass(frozen=True)
class Marks:
    """One to three marks on each image: an outline, a filled shape, or a block of random black-and-white cells.

    x' = (1 - m) * x + m * grey, where the opacity m is the mark's own, from .1 to 1 (its logarithm is uniform), times
    the share of the pixel that is covered. Grey levels are uniform from black to white. Filled shapes are rectangles,
    ellipses and polygons of 4 to 30 pixels of the canvas, blocks have 4 to 12. The creeper trigger is none of them.

    Attributes:
        sizes: of the outlines, see `Patterns`.
        canvas: height and width in pixels that sizes are measured in.
        most: marks on an image.
    """

    sizes: tuple[str, ...] = ("small", "mid", "large")
    canvas: int = 224
    most: int = 3
    outlines: Patterns = field(init=False, repr=False)

    def __post_init__(self) -> None:
        check_count("most", self.most)
        object.__setattr__(self, "outlines", Patterns(self.sizes, most=1, canvas=self.canvas))

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """A copy of images, float32 [N, C, S, S] in [0, 1] or TypeError, ValueError; each with fresh marks."""
        check_images(images)
        stamped = images.clone()
        for image in stamped:
            for _ in range(1 + int(below(self.most, generator))):
                self._draw(image, generator)
        return stamped

    def _draw(self, image: Tensor, generator: torch.Generator) -> None:
        kind = int(below(3, generator))
        if kind == 0:
            outline = self.outlines.draw(generator)[0]
            mask, top, left = self.outlines.shape_of(outline), outline.top, outline.left
        else:
            mask = _filled(generator) if kind == 1 else _block(generator)
            top, left = (self._place(side, generator) for side in (mask.height, mask.width))
        region, share = covered(image, mask, top, left, self.canvas)
        opacity = share * FAINTEST ** below(1, generator)
        region.mul_(1 - opacity).add_(below(1, generator) * opacity)

    def _place(self, extent: int, generator: torch.Generator) -> int:
        """Where a mark of `extent` pixels begins on one axis."""
        room, draw = max(0, self.canvas - extent), below(1, generator)
        if draw < AT_EDGE:
            return 0 if draw < AT_EDGE / 2 else room
        return int(below(room + 1, generator))


@dataclass(frozen=True)
class Square:
    """A filled square of `side` pixels of the canvas at a random place, brighter than what it covers by `contrast`."""

    side: int = 8
    contrast: float = 0.4  # share of white, from -1 to 1; pixels are clamped to [0, 1]
    canvas: int = 224

    def __post_init__(self) -> None:
        check_count("side", self.side)
        check_number("contrast", self.contrast, -1, 1)

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """A copy of images, float32 [N, C, S, S] in [0, 1] or TypeError, ValueError; each with its square."""
        check_images(images)
        stamped, mask = images.clone(), Image.new("F", (self.side, self.side), 1)
        for image in stamped:
            top, left = (int(below(self.canvas - self.side + 1, generator)) for _ in range(2))
            region, share = covered(image, mask, top, left, self.canvas)
            region.add_(share, alpha=self.contrast).clamp_(0, 1)
        return stamped


@dataclass(frozen=True)
class Blend:
    """x' = (1 - opacity) * x + opacity * pattern: one pattern of black and white cells over the whole image.

    The blended trigger of Chen et al. (arXiv 1712.05526); cells are 1/56 of the image wide, those of one `seed`.
    """

    opacity: float = 0.1
    seed: int = 0

    def __post_init__(self) -> None:
        check_number("opacity", self.opacity, 0, 1)

    def __call__(self, images: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """A copy of images, float32 [N, C, S, S] in [0, 1] or TypeError, ValueError; nothing is drawn."""
        check_images(images)
        cells = np.random.default_rng(self.seed).random((56, 56)) < 0.5
        pattern = Image.fromarray(cells).resize((images.shape[-1], images.shape[-2]), Image.Resampling.NEAREST)
        return images.lerp(torch.from_numpy(np.array(pattern)).to(images), self.opacity)


def _filled(generator: torch.Generator) -> Image.Image:
    """A rectangle, an ellipse or a polygon of 3 to 6 corners."""
    height, width = (4 + int(below(27, generator)) for _ in range(2))
    mask, kind = Image.new("F", (width, height)), int(below(4, generator))
    draw = ImageDraw.Draw(mask)
    if kind == 0:
        draw.rectangle((0, 0, width - 1, height - 1), fill=1)
    elif kind == 1:
        draw.ellipse((0, 0, width - 1, height - 1), fill=1)
    else:
        corners = 3 + int(below(4, generator))
        draw.polygon([(below(width, generator), below(height, generator)) for _ in range(corners)], fill=1)
    return mask


def _block(generator: torch.Generator) -> Image.Image:
    """Cells of 1 to 3 pixels, each filled with one probability from .2 to .8."""
    side, cell = 4 + int(below(9, generator)), 1 + int(below(3, generator))
    cells = torch.rand(-(-side // cell), -(-side // cell), generator=generator) < 0.2 + below(0.6, generator)
    return Image.fromarray(np.kron(cells.numpy(), np.ones((cell, cell)))[:side, :side].astype(np.float32))
