"""Image files that are damaged, absurd, or only odd; each is given as bytes."""

from __future__ import annotations

import io
import random
import struct
import zlib

import numpy as np
from PIL import Image

PIXELS = np.random.default_rng(0).integers(0, 256, (24, 20, 3), dtype=np.uint8)
PICTURE = Image.fromarray(PIXELS)


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    """An image file in memory."""
    buffer = io.BytesIO()
    image.save(buffer, format=kind, **options)
    return buffer.getvalue()


GOOD = {kind: saved(PICTURE, kind) for kind in ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM", "JPEG2000")}
"""Format -> a small picture in it."""


def truncated(data: bytes, share: float) -> bytes:
    """The first part of a file."""
    return data[: int(len(data) * share)]


def flipped(data: bytes, seed: int, bits: int = 8) -> bytes:
    """A file with some bits turned over."""
    draw, changed = random.Random(seed), bytearray(data)
    for _ in range(bits):
        changed[draw.randrange(len(changed))] ^= 1 << draw.randrange(8)
    return bytes(changed)


def chunk(kind: bytes, content: bytes) -> bytes:
    """A chunk of a PNG."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width: int, height: int, *extra: bytes, bits: int = 8, colour: int = 0, rows: int = 0) -> bytes:
    """A PNG that says it is so large, with so many rows of zeros in it."""
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    packed = zlib.compress(bytes(rows * (1 + (width * bits + 7) // 8)), 9)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        [chunk(b"IHDR", header), *extra, chunk(b"IDAT", packed), chunk(b"IEND", b"")]
    )


def _rotated() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return saved(PICTURE, "JPEG", exif=exif)


def _alpha() -> bytes:
    return saved(PICTURE.convert("P"), "PNG", transparency=bytes(range(256)))


def _frames(kind: str) -> bytes:
    return saved(PICTURE, kind, save_all=True, append_images=[PICTURE.rotate(90 * turn) for turn in (1, 2, 3)])


def _jpeg_of(side: int) -> bytes:
    data = GOOD["JPEG"]
    place = data.index(b"\xff\xc0") + 5
    return data[:place] + struct.pack(">HH", side, side) + data[place + 4 :]


def _tiff_loop() -> bytes:
    """A directory whose next one is itself, of tiles that lie nowhere."""
    tags = [
        (256, 3, 1, 20),
        (257, 3, 1, 20),
        (258, 3, 1, 8),
        (262, 3, 1, 1),
        (273, 4, 2**20, 2**31),
        (279, 4, 1, 2**31),
    ]
    body = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + body + struct.pack("<I", 8)


ODD = {
    "animated-gif": _frames("GIF"),
    "many-page-tiff": _frames("TIFF"),
    "cmyk-jpeg": saved(PICTURE.convert("CMYK"), "JPEG"),
    "sixteen-bit-png": saved(Image.fromarray(np.arange(400, dtype=np.uint16).reshape(20, 20) * 100), "PNG"),
    "one-bit": saved(PICTURE.convert("1"), "PNG"),
    "one-pixel": saved(Image.new("L", (1, 1)), "PNG"),
    "very-tall": saved(Image.new("L", (1, 20000)), "PNG"),
    "palette-alpha": _alpha(),
    "turned-by-exif": _rotated(),
    "lab-tiff": saved(PICTURE.convert("LAB"), "TIFF"),
    "large-but-fair": png(9000, 9000, bits=1, rows=9000),
    "trailing-bytes": GOOD["PNG"] + b"PK\x05\x06" + bytes(500),
}
"""Pictures that are sound, whatever they look like."""

BAD = {
    "nothing": b"",
    "zeros": bytes(1000),
    "float-tiff": saved(Image.fromarray(np.full((9, 9), 1e30, np.float32)), "TIFF"),
    "negative-tiff": saved(Image.fromarray(np.full((9, 9), -5, np.int32)), "TIFF"),
    "icon": saved(PICTURE, "ICO"),
    "bomb-png": png(30000, 30000),
    "endless-png": png(2**31 - 1, 2**31 - 1),
    "no-width-png": png(0, 5),
    "text-bomb-png": png(9, 9, chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(10**8), 9)), rows=9),
    "profile-bomb-png": png(9, 9, chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(10**8), 9)), rows=9),
    "bomb-jpeg": _jpeg_of(65535),
    "bomb-gif": b"GIF89a" + struct.pack("<HHBBB", 65535, 65535, 0xF7, 0, 0) + bytes(800),
    "bomb-bmp": GOOD["BMP"][:18] + struct.pack("<ii", 2**31 - 1, -(2**31)) + GOOD["BMP"][26:],
    "bomb-ppm": b"P6 999999999 999999999 255\n" + bytes(90),
    "digits-ppm": b"P2 " + b"9" * 6000 + b" 1 255\n1",
    "plain-ppm-without-end": b"P3 4 4 255\n" + b"# x\n" * 50000,
    "tiff-loop": _tiff_loop(),
    "html": b"<!DOCTYPE html><html><title>404</title>" + b" " * 500,
    "json": b'{"error": "not found"}',
}
"""Files that are no picture, or none that anybody should decode."""
