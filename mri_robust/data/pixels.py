"""One image file's bytes to pixels of the asked size."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np

from mri_robust.data.dataset import Channels

if TYPE_CHECKING:
    from PIL import Image

MAX_PIXELS = 100_000_000
MAX_BYTES = 256 * 2**20

FORMATS = ("JPEG", "PNG", "BMP", "GIF", "PPM", "TIFF", "WEBP", "JPEG2000")
"""Pillow would also open EPS, which starts another program, and formats that any bytes at all may pass for."""


class Unreadable(Exception):
    """An image file cannot be used; the message is a short reason, to stand in brackets after its name."""


def decode(data: bytes, size: int, channels: Channels) -> tuple[np.ndarray, tuple[int, int]]:
    """Decode an image file and resize it, bilinear, without keeping its aspect.

    Transparent parts become black, 16-bit greys are scaled from 0..65535 to 0..255, the first frame stands for an
    animation, and the pixels are taken as stored, whatever orientation the EXIF data ask for.

    Returns:
        uint8 [C, size, size], C = 1 (`grey`) or 3 (`rgb`), and the file's own (width, height).

    Raises:
        Unreadable: the bytes are no image, a damaged one, one of more than `MAX_PIXELS` pixels, or have no fixed white.
    """
    from PIL import Image, UnidentifiedImageError

    if not data:
        raise Unreadable("empty file")
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            original = image.size
            if original[0] * original[1] > MAX_PIXELS:
                raise Unreadable(f"too large: {original[0]} x {original[1]} pixels")
            mode = "L" if channels == "grey" else "RGB"
            resized = opaque(image).convert(mode).resize((size, size), Image.Resampling.BILINEAR)
    except Unreadable:
        raise
    except Image.DecompressionBombError as error:
        raise Unreadable("too large") from error
    except UnidentifiedImageError as error:
        raise Unreadable("not an image") from error
    except Exception as error:
        # On damaged bytes Pillow's readers raise nearly anything: OSError, SyntaxError, struct.error, IndexError, ...
        raise Unreadable("cut short or damaged") from error
    pixels = np.asarray(resized)
    planes = pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
    return np.ascontiguousarray(planes), original


def opaque(image: Image.Image) -> Image.Image:
    """The image in 8 bits a channel and without transparency, which is composited on black.

    Raises:
        Unreadable: nothing says which pixel value is white.
    """
    from PIL import Image

    if image.mode.startswith("I"):
        return Image.fromarray(_eight_bits(np.asarray(image)))
    if image.mode == "F":
        raise Unreadable("floating-point pixels have no fixed white, save them in 8 or 16 bits")
    if not image.has_transparency_data:
        return image
    black = Image.new("RGBA", image.size, (0, 0, 0, 255))
    return Image.alpha_composite(black, image.convert("RGBA")).convert("RGB")


def _eight_bits(values: np.ndarray) -> np.ndarray:
    """uint8 [H, W] of greys 0..65535, rounded to the nearest level."""
    if values.min() < 0 or values.max() > 65535:
        raise Unreadable("pixel values outside 0 to 65535 have no fixed white, save them in 8 or 16 bits")
    return ((values.astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8)
