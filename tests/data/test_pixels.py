"""Decoding agrees with Pillow, in every mode."""

from __future__ import annotations

import io
import struct
import time
import tracemalloc
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from mri_robust.data.pixels import Unreadable, decode

SIZE = 16
OPAQUE = [
    *((mode, "PNG") for mode in ("L", "RGB", "1")),
    *((mode, "JPEG") for mode in ("L", "RGB", "CMYK")),
    *(("CMYK", "TIFF"), ("RGB", "BMP"), ("L", "PPM")),
]


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format=kind, **options)
    return buffer.getvalue()


def encoded(pixels: np.ndarray, kind: str = "PNG") -> bytes:
    return saved(Image.fromarray(pixels), kind)


def noise(mode: str, width: int, height: int) -> Image.Image:
    """An image of random bytes; a mode of whole bytes a channel or one bit."""
    channels = len(Image.new(mode, (1, 1)).getbands())
    values = np.random.default_rng(width * 97 + height).integers(0, 256, (height, width, channels), dtype=np.uint8)
    if mode == "1":
        return Image.fromarray(values[..., 0]).convert("1")
    return Image.frombytes(mode, (width, height), values.tobytes())


@given(
    st.sampled_from(OPAQUE),
    st.integers(1, 50),
    st.integers(1, 50),
)
def test_opaque_modes_are_resized_as_pillow_does(mode_kind: tuple[str, str], width: int, height: int) -> None:
    data = saved(noise(mode_kind[0], width, height), mode_kind[1])
    for channels, mode in (("grey", "L"), ("rgb", "RGB")):
        with Image.open(io.BytesIO(data)) as image:
            expected = np.asarray(image.convert(mode).resize((SIZE, SIZE), Image.Resampling.BILINEAR))
        pixels, original = decode(data, SIZE, channels)
        assert pixels.dtype == np.uint8
        assert pixels.flags.c_contiguous
        assert original == (width, height)
        np.testing.assert_array_equal(pixels.transpose(1, 2, 0).squeeze(), expected)


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparency_becomes_black(mode: str) -> None:
    white = Image.new(mode, (SIZE, SIZE), (255,) * len(mode))
    white.paste((255,) * (len(mode) - 1) + (0,), (0, 0, SIZE // 2, SIZE))
    pixels, _ = decode(saved(white, "PNG"), SIZE, "grey")
    assert pixels[0, :, : SIZE // 2].max() == 0
    assert pixels[0, :, SIZE // 2 :].min() == 255


def test_half_transparent_white_is_mid_grey() -> None:
    pixels, _ = decode(saved(Image.new("RGBA", (9, 9), (255, 255, 255, 128)), "PNG"), SIZE, "rgb")
    assert np.unique(pixels).tolist() == [128]


def test_a_palette_is_looked_up_and_its_transparent_entry_is_black() -> None:
    image = Image.new("P", (SIZE, SIZE), 1)
    image.putpalette([255, 255, 255, 200, 100, 50])
    image.paste(0, (0, 0, SIZE, 4))
    plain, _ = decode(saved(image, "PNG"), SIZE, "rgb")
    assert plain[:, -1, -1].tolist() == [200, 100, 50]
    assert plain[:, 0, 0].tolist() == [255, 255, 255]
    clear, _ = decode(saved(image, "PNG", transparency=0), SIZE, "rgb")
    assert clear[:, 0, 0].tolist() == [0, 0, 0]


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bits_are_scaled_to_eight(kind: str) -> None:
    ramp = np.tile(np.linspace(0, 65535, SIZE).astype(np.uint16), (SIZE, 1))
    pixels, _ = decode(encoded(ramp, kind), SIZE, "grey")
    np.testing.assert_array_equal(pixels[0], np.rint(ramp / 257).astype(np.uint8))
    colour, _ = decode(encoded(ramp, kind), SIZE, "rgb")
    np.testing.assert_array_equal(colour, np.repeat(pixels, 3, axis=0))


def test_big_endian_and_wide_integers_are_read_alike() -> None:
    ramp = np.tile(np.linspace(0, 65535, SIZE).astype(np.uint16), (SIZE, 1))
    header = f"P5 {SIZE} {SIZE} 65535\n".encode()
    big, _ = decode(header + ramp.astype(">u2").tobytes(), SIZE, "grey")
    wide, _ = decode(encoded(ramp.astype(np.int32), "TIFF"), SIZE, "grey")
    np.testing.assert_array_equal(big, wide)


@pytest.mark.parametrize("values", [np.full((4, 4), 1e6, np.int32), np.full((4, 4), 0.5, np.float32)])
def test_pixels_without_a_known_white_are_refused(values: np.ndarray) -> None:
    with pytest.raises(Unreadable, match="no fixed white"):
        decode(encoded(values, "TIFF"), SIZE, "grey")


def test_an_animation_gives_its_first_frame() -> None:
    frames = [Image.new("L", (8, 8), value) for value in (40, 200)]
    data = saved(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert np.unique(decode(data, SIZE, "grey")[0]).tolist() == [40]


WHOLE = encoded(np.random.default_rng(0).integers(0, 256, (40, 40), dtype=np.uint8))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty file"),
        (b"these are words", "not an image"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not an image"),
        (WHOLE[: len(WHOLE) // 2], "cut short or damaged"),
        (saved(noise("RGB", 60, 60), "JPEG")[:900], "cut short or damaged"),
    ],
)
def test_bad_bytes_have_a_reason(data: bytes, reason: str) -> None:
    with pytest.raises(Unreadable, match=reason):
        decode(data, SIZE, "grey")


@given(st.integers(0, len(WHOLE) - 1), st.integers(1, 255))
def test_a_damaged_byte_is_never_more_than_unreadable(position: int, change: int) -> None:
    data = bytearray(WHOLE)
    data[position] ^= change
    try:
        pixels, _ = decode(bytes(data), SIZE, "grey")
    except Unreadable:
        return
    assert pixels.shape == (1, SIZE, SIZE)


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and has no pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    start = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return start + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.parametrize("side", [10001, 20000, 60000])
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_a_huge_image_is_refused_by_its_header(side: int) -> None:
    tracemalloc.start()
    started = time.perf_counter()
    with pytest.raises(Unreadable, match="too large"):
        decode(png_header(side, side), SIZE, "grey")
    assert time.perf_counter() - started < 1
    assert tracemalloc.get_traced_memory()[1] < 2e7
    tracemalloc.stop()
