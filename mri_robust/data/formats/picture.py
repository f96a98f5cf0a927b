"""Pictures: JPEG, PNG and whatever else Pillow reads safely."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, UnidentifiedImageError

from mri_robust.data.formats.limits import DAMAGED, MAX_PIXELS, Unreadable

FORMATS = ("JPEG", "PNG", "BMP", "GIF", "PPM", "TIFF", "WEBP", "JPEG2000")
"""Pillow would also open EPS, which starts another program, and formats that any bytes at all may pass for."""


def open_picture(data: bytes) -> Image.Image:
    """A picture whose header is read, and whose pixels are when they are asked for, which fails if they are damaged.

    Raises:
        Unreadable: the bytes are no picture, one with a damaged header, or one of more than `MAX_PIXELS` pixels.
    """
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
    except Image.DecompressionBombError as error:
        raise Unreadable("too large") from error
    except UnidentifiedImageError as error:
        raise Unreadable("not an image") from error
    except Exception as error:
        # On damaged bytes Pillow's readers raise nearly anything: OSError, SyntaxError, struct.error, IndexError, ...
        raise Unreadable(DAMAGED) from error
    if image.width * image.height > MAX_PIXELS:
        raise Unreadable(f"too large: {image.width} x {image.height} pixels")
    return image


def opaque(image: Image.Image) -> Image.Image:
    """The image in 8 bits a channel and without transparency, which is composited on black.

    Raises:
        Unreadable: nothing says which pixel value is white.
    """
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
