"""Sheets of pictures: strips with a title, and a caption below each picture."""

import base64
import io
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from mri_robust.core.errors import one_line
from mri_robust.core.files import written_aside

MARGIN, GAP, LINE = 20, 6, 15  # pixels round the sheet, between pictures, and of a line of a caption
WIDEST, SMALLEST = 1600, 112  # pixels: most that strips take across, and least side of a picture


@dataclass(frozen=True)
class Picture:
    """A picture of a strip: uint8 [C, H, W] with C 1 or 3, a Pillow image, or the base64 text of a PNG.

    Below it stand at most two lines of `caption`; a longer one loses its middle. `colour` is that of the caption and of
    a frame round the picture, empty for black and no frame. `marked` is a square of the image to frame in red: top,
    left and side in pixels.
    """

    image: np.ndarray | Image.Image | str
    caption: str = ""
    colour: str = ""
    marked: tuple[int, int, int] | None = None


Strip = tuple[str, Sequence[Picture]]  # (title, pictures)


def contact_sheet(
    strips: Sequence[Strip], title: str, subtitle: str = "", *, across: int = 1, side: int = 256, most: int = 512
) -> Image.Image:
    """Draw strips, with at least one picture in all, below each other or `across` of them side by side, on white.

    Pictures larger than `side` pixels are shrunk to that; small ones are enlarged by whole numbers, so that pixels stay
    squares. At most `most` pictures are drawn; how many are left out is said below them.
    """
    kept: list[Strip] = []
    room = most
    for name, pictures in strips:
        kept += [(name, pictures[:room])] if pictures and room else []
        room -= len(pictures[:room])
    left_out = sum(len(pictures) for _, pictures in strips) - (most - room)
    longest = max(len(pictures) for _, pictures in kept)
    largest = max(max(opened(each.image).size) for _, pictures in kept for each in pictures)
    tile = min(largest * -(-SMALLEST // largest), side)
    lines = -(-longest // max(1, WIDEST // across // (tile + GAP)))
    blocks = [_draw_strip(name, pictures, tile, -(-longest // lines)) for name, pictures in kept]
    width = max(min(across, len(blocks)) * (blocks[0].width + 2 * GAP) - 2 * GAP, 420)
    rows = [[_text(fold(title, width // 10), width, 17)], [_text(fold(subtitle, width // 7), width, 12)]]
    rows += [blocks[place : place + across] for place in range(0, len(blocks), across)]
    rows += [[_text([f"{left_out} more are left out"], width, 12)]] if left_out else []
    tops = np.cumsum([0, *(max(each.height for each in row) + 2 * GAP for row in rows)]).tolist()
    page = Image.new("RGB", (width + 2 * MARGIN, tops[-1] + 2 * MARGIN), "white")
    for top, row in zip(tops, rows, strict=False):
        for place, each in enumerate(row):
            page.paste(each, (MARGIN + place * (each.width + 2 * GAP), MARGIN + top))
    return page


def save_sheet(page: Image.Image, path: Path) -> None:
    """Write a sheet as PNG; one sheet is always the same bytes."""
    with written_aside(path) as aside:
        page.save(aside, format="PNG", optimize=True)


def opened(image: np.ndarray | Image.Image | str) -> Image.Image:
    """A picture's image as RGB; what is transparent shows mid-grey."""
    if isinstance(image, np.ndarray):
        return Image.fromarray(np.ascontiguousarray(np.moveaxis(np.broadcast_to(image, (3, *image.shape[1:])), 0, -1)))
    over = (Image.open(io.BytesIO(base64.b64decode(image))) if isinstance(image, str) else image).convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", over.size, (128, 128, 128, 255)), over).convert("RGB")


def fold(text: str, width: int, lines: int = 2) -> list[str]:
    """`text` in at most so many printable lines of at most `width` characters; a long one loses its middle."""
    parts = (textwrap.wrap(one_line(part), width, break_on_hyphens=False) for part in text.splitlines())
    folded = list(chain.from_iterable(parts))
    return folded if len(folded) <= lines else [*folded[: lines - 1], "…" + one_line(text)[1 - width :]]


def _draw_strip(name: str, pictures: Sequence[Picture], tile: int, columns: int) -> Image.Image:
    """The title, then the pictures in lines of `columns`, each with its caption."""
    width = columns * (tile + GAP) - GAP
    heading = _text(fold(name, width // 8), width, 13)
    captions = [fold(each.caption, tile // 7) for each in pictures]
    step = tile + GAP + LINE * max(map(len, captions))
    block = Image.new("RGB", (width, heading.height + -(-len(pictures) // columns) * step), "white")
    block.paste(heading)
    for place, (picture, caption) in enumerate(zip(pictures, captions, strict=True)):
        x, y = place % columns * (tile + GAP), heading.height + place // columns * step
        image = opened(picture.image)
        times = tile / max(image.size)
        size = [max(round(each * (int(times) or times)), 1) for each in image.size]
        scale = size[0] / image.width
        image = image.resize(size, Image.Resampling.NEAREST if times >= 1 else Image.Resampling.LANCZOS)
        if picture.marked:
            top, left, side = (round(each * scale) for each in picture.marked)
            ImageDraw.Draw(image).rectangle((left, top, left + side - 1, top + side - 1), outline="red", width=2)
        if picture.colour:
            ImageDraw.Draw(image).rectangle((0, 0, size[0] - 1, size[1] - 1), outline=picture.colour, width=3)
        block.paste(image, (x, y))
        block.paste(_text(caption, tile, 12, picture.colour), (x, y + tile + 1))
    return block


def _text(lines: Sequence[str], width: int, points: int, colour: str = "") -> Image.Image:
    """Lines on white, each cut off where the width ends; those of 13 points are bold."""
    # Matplotlib brings a font that knows more scripts than Pillow's own.
    bold, high = "-Bold" if points == 13 else "", LINE if points == 12 else points + 6
    font = ImageFont.truetype(f"{matplotlib.get_data_path()}/fonts/ttf/DejaVuSans{bold}.ttf", points)
    image = Image.new("RGB", (width, high * len(lines)), "white")
    for number, line in enumerate(lines):
        ImageDraw.Draw(image).text((0, high * number), line, colour or "#222222", font)
    return image
