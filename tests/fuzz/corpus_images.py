"""Image files that are damaged, absurd, or only odd; each is given as bytes."""

import random
import struct
import zlib

import numpy as np
from medical_files import picture
from PIL import Image

PIXELS = np.random.default_rng(0).integers(0, 256, (24, 20, 3), dtype=np.uint8)
PICTURE = Image.fromarray(PIXELS)


GOOD = {kind: picture(PICTURE, kind) for kind in ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM", "JPEG2000")}
"""Format -> a small picture in it."""


def truncated(data: bytes, share: float) -> bytes:
    return data[: int(len(data) * share)]


def flipped(data: bytes, seed: int, bits: int = 8) -> bytes:
    draw, changed = random.Random(seed), bytearray(data)
    for _ in range(bits):
        changed[draw.randrange(len(changed))] ^= 1 << draw.randrange(8)
    return bytes(changed)


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width: int, height: int, *extra: bytes, bits: int = 8, rows: int = 0) -> bytes:
    """A grey PNG that says it is so large, with so many rows of zeros in it."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, 0, 0, 0, 0))
    pixels = chunk(b"IDAT", zlib.compress(bytes(rows * (1 + (width * bits + 7) // 8)), 9))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(extra) + pixels + chunk(b"IEND", b"")


def _frames(kind: str) -> bytes:
    return picture(PICTURE, kind, save_all=True, append_images=[PICTURE.rotate(90 * turn) for turn in (1, 2, 3)])


EXIF = Image.Exif()
EXIF[0x0112] = 6  # turned by a quarter
SIDES = GOOD["JPEG"].index(b"\xff\xc0") + 5
TAGS = [(256, 3, 1, 20), (257, 3, 1, 20), (258, 3, 1, 8), (262, 3, 1, 1), (273, 4, 2**20, 2**31), (279, 4, 1, 2**31)]
LOOP = b"".join(struct.pack("<HHII", *tag) for tag in TAGS)
"""A TIFF directory of tiles that lie nowhere; below, its next one is itself."""

ODD = {
    "animated-gif": _frames("GIF"),
    "many-page-tiff": _frames("TIFF"),
    "cmyk-jpeg": picture(PICTURE.convert("CMYK"), "JPEG"),
    "sixteen-bit-png": picture(Image.fromarray(np.arange(400, dtype=np.uint16).reshape(20, 20) * 100), "PNG"),
    "one-pixel": picture(Image.new("L", (1, 1)), "PNG"),
    "very-tall": picture(Image.new("L", (1, 20000)), "PNG"),
    "palette-alpha": picture(PICTURE.convert("P"), "PNG", transparency=bytes(range(256))),
    "turned-by-exif": picture(PICTURE, "JPEG", exif=EXIF),
    "lab-tiff": picture(PICTURE.convert("LAB"), "TIFF"),
    "large-but-fair": png(9000, 9000, bits=1, rows=9000),
    "trailing-bytes": GOOD["PNG"] + b"PK\x05\x06" + bytes(500),
}
"""Pictures that are sound, whatever they look like."""

BAD = {
    "nothing": (b"", "empty"),
    "postscript": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not an image"),
    "half-a-png": (truncated(GOOD["PNG"], 0.5), "damaged"),
    "half-a-jpeg": (truncated(GOOD["JPEG"], 0.8), "damaged"),
    "float-tiff": (picture(Image.fromarray(np.full((9, 9), 1e30, np.float32)), "TIFF"), "no fixed white"),
    "negative-tiff": (picture(Image.fromarray(np.full((9, 9), -5, np.int32)), "TIFF"), "no fixed white"),
    "icon": (picture(PICTURE, "ICO"), "not an image"),
    "endless-png": (png(2**31 - 1, 2**31 - 1), "too large"),
    "text-bomb-png": (png(9, 9, chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(10**8), 9)), rows=9), "damaged"),
    "profile-bomb-png": (png(9, 9, chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(10**8), 9)), rows=9), "damaged"),
    "bomb-jpeg": (GOOD["JPEG"][:SIDES] + b"\xff" * 4 + GOOD["JPEG"][SIDES + 4 :], "too large"),
    "bomb-gif": (b"GIF89a" + struct.pack("<HHBBB", 65535, 65535, 0xF7, 0, 0) + bytes(800), "too large|not an image"),
    "bomb-bmp": (GOOD["BMP"][:18] + struct.pack("<ii", 2**31 - 1, -(2**31)) + GOOD["BMP"][26:], "too large"),
    "bomb-ppm": (b"P6 999999999 999999999 255\n" + bytes(90), "too large"),
    "digits-ppm": (b"P2 " + b"9" * 6000 + b" 1 255\n1", "damaged|not an image"),
    "plain-ppm-without-end": (b"P3 4 4 255\n" + b"# x\n" * 50000, "damaged"),
    "tiff-loop": (b"II*\0" + struct.pack("<IH", 8, len(TAGS)) + LOOP + struct.pack("<I", 8), "damaged|not an image"),
}
"""Name -> a file that is no picture, or none that anybody should decode, and what is said of it."""
