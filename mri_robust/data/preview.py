"""A sheet of sample images, one strip a class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mri_robust.core.rng import derive_seed
from mri_robust.data.dataset import Dataset, Split
from mri_robust.data.layout import shown

if TYPE_CHECKING:
    from PIL import Image, ImageDraw, ImageFont

_BACKGROUND = (17, 19, 24)
_TEXT = (232, 234, 240)
_QUIET = (139, 146, 160)
_ACCENT = (88, 166, 255)

_MARGIN = 28
_GAP = 4
_TITLE = 58
_STRIP_TITLE = 34
_COLUMNS = 12
_NARROWEST = 560


@dataclass(frozen=True)
class Strip:
    """The sample of one class."""

    title: str  # the class name
    total: int  # images of the class in the split
    images: np.ndarray  # uint8 [n, C, H, W], n <= total


def sample(dataset: Dataset, split: Split, images: int, seed: int) -> list[Strip]:
    """Draw `images`, at least 1, of a split of `dataset` at random, the same number of each class as far as they go."""
    generator = np.random.default_rng(derive_seed(seed, "preview"))
    members = [generator.permutation(np.flatnonzero(split.labels == label)) for label in range(len(dataset.classes))]
    dealt = sorted((turn, label) for label, member in enumerate(members) for turn in range(len(member)))[:images]
    shares = np.bincount([label for _, label in dealt], minlength=len(members))
    return [
        Strip(name, len(member), split.images[np.sort(member[:share])])
        for name, member, share in zip(dataset.classes, members, shares, strict=True)
        if share
    ]


def sheet(strips: list[Strip], *, title: str, subtitle: str) -> Image.Image:
    """Draw strips below each other on a dark ground.

    Tiles show an image's pixels one to one, enlarged by whole numbers when they are small and shrunk above 256.
    """
    from PIL import Image, ImageDraw

    size = strips[0].images.shape[-1]
    tile = size * max(1, 96 // size) if size <= 256 else 256
    longest = max(len(strip.images) for strip in strips)
    columns = -(-longest // -(-longest // _COLUMNS))
    heights = [_STRIP_TITLE + -(-len(strip.images) // columns) * (tile + _GAP) for strip in strips]
    width = max(2 * _MARGIN + columns * (tile + _GAP) - _GAP, _NARROWEST)
    page = Image.new("RGB", (width, 2 * _MARGIN + _TITLE + sum(heights) + 14 * (len(strips) - 1)), _BACKGROUND)
    draw = ImageDraw.Draw(page)
    room = width - 2 * _MARGIN
    _write(draw, (_MARGIN, _MARGIN), title, _font(22, bold=True), _TEXT, room)
    _write(draw, (_MARGIN, _MARGIN + 31), subtitle, _font(13), _QUIET, room)
    top = _MARGIN + _TITLE
    for strip, height in zip(strips, heights, strict=True):
        _draw_strip(page, draw, strip, top, tile, columns)
        top += height + 14
    return page


def _draw_strip(page: Image.Image, draw: ImageDraw.ImageDraw, strip: Strip, top: int, tile: int, columns: int) -> None:
    from PIL import Image

    draw.rectangle((_MARGIN, top + 10, _MARGIN + 3, top + 24), fill=_ACCENT)
    counts = f"{len(strip.images)} of {strip.total}"
    room = page.width - 2 * _MARGIN - 24 - _font(13).getlength(counts)
    end = _write(draw, (_MARGIN + 13, top + 8), strip.title, _font(15, bold=True), _TEXT, room)
    draw.text((end + 10, top + 10), counts, font=_font(13), fill=_QUIET)
    for index, image in enumerate(strip.images):
        picture = Image.fromarray(image[0] if len(image) == 1 else np.ascontiguousarray(image.transpose(1, 2, 0)))
        # Enlarged pixels stay squares: what is seen is what a model gets.
        kind = Image.Resampling.NEAREST if tile >= picture.width else Image.Resampling.LANCZOS
        row, column = divmod(index, columns)
        place = (_MARGIN + column * (tile + _GAP), top + _STRIP_TITLE + row * (tile + _GAP))
        page.paste(picture.resize((tile, tile), kind), place)


def _write(
    draw: ImageDraw.ImageDraw,
    place: tuple[float, float],
    text: str,
    font: ImageFont.FreeTypeFont,
    fill: tuple[int, int, int],
    room: float,
) -> float:
    """Write `text`, shortened to `room` pixels, and say where it ends."""
    text = shown(text)
    if font.getlength(text) > room:
        while text and font.getlength(f"{text}…") > room:
            text = text[:-1]
        text += "…"
    draw.text(place, text, font=font, fill=fill)
    return place[0] + font.getlength(text)


def _font(points: int, *, bold: bool = False) -> ImageFont.FreeTypeFont:
    # Matplotlib brings a font that knows more scripts than Pillow's own.
    import matplotlib
    from PIL import ImageFont

    return ImageFont.truetype(f"{matplotlib.get_data_path()}/fonts/ttf/DejaVuSans{'-Bold' * bold}.ttf", points)
