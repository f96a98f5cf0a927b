"""Decoding pictures agrees with Pillow, in every mode."""

import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from medical_files import picture
from PIL import Image

from mri_robust.data.dataset import load_dataset
from mri_robust.data.decode import Unreadable, decode

SIZE = 16
OPAQUE = [(mode, kind) for mode in ("L", "RGB") for kind in ("PNG", "JPEG", "TIFF", "BMP", "PPM")]
OPAQUE += [("1", "PNG"), ("CMYK", "JPEG"), ("CMYK", "TIFF")]


def noise(mode: str, width: int, height: int) -> Image.Image:
    """An image of random bytes; a mode of whole bytes a channel or one bit."""
    channels = len(Image.new(mode, (1, 1)).getbands())
    values = np.random.default_rng(width * 97 + height).integers(0, 256, (height, width, channels), dtype=np.uint8)
    if mode == "1":
        return Image.fromarray(values[..., 0]).convert("1")
    return Image.frombytes(mode, (width, height), values.tobytes())


@given(st.sampled_from(OPAQUE), st.integers(1, 50), st.integers(1, 50))
def test_opaque_modes_are_resized_as_pillow_does(mode_kind: tuple[str, str], width: int, height: int) -> None:
    data = picture(noise(mode_kind[0], width, height), mode_kind[1])
    for channels, mode in (("grey", "L"), ("rgb", "RGB")):
        with Image.open(io.BytesIO(data)) as image:
            expected = np.asarray(image.convert(mode).resize((SIZE, SIZE), Image.Resampling.BILINEAR))
        pixels, original = decode(data, SIZE, channels)
        assert (pixels.dtype, pixels.flags.c_contiguous, original) == (np.uint8, True, (width, height))
        np.testing.assert_array_equal(pixels.transpose(1, 2, 0).squeeze(), expected)


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparency_is_composited_on_black(mode: str) -> None:
    white = Image.new(mode, (SIZE, SIZE), (255,) * len(mode))
    white.paste((255,) * (len(mode) - 1) + (0,), (0, 0, SIZE // 2, SIZE))
    white.paste((255,) * (len(mode) - 1) + (128,), (0, 0, SIZE, 4))
    pixels, _ = decode(picture(white, "PNG"), SIZE, "grey")
    assert [pixels[0, row, column] for row, column in ((0, 0), (9, 0), (9, 9))] == [128, 0, 255]


def test_a_palette_is_looked_up_and_its_transparent_entry_is_black() -> None:
    image = Image.new("P", (SIZE, SIZE), 1)
    image.putpalette([255, 255, 255, 200, 100, 50])
    image.paste(0, (0, 0, SIZE, 4))
    for options, corner in (({}, 255), ({"transparency": 0}, 0)):
        pixels, _ = decode(picture(image, "PNG", **options), SIZE, "rgb")
        assert pixels[:, -1, -1].tolist() == [200, 100, 50]
        assert pixels[:, 0, 0].tolist() == [corner] * 3


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "big-endian", "32 bits"])
def test_sixteen_bits_are_scaled_to_eight(kind: str) -> None:
    ramp = np.tile(np.linspace(0, 65535, SIZE).astype(np.uint16), (SIZE, 1))
    if kind == "big-endian":
        data = f"P5 {SIZE} {SIZE} 65535\n".encode() + ramp.astype(">u2").tobytes()
    else:
        wide = kind == "32 bits"
        data = picture(ramp.astype(np.int32) if wide else ramp, "TIFF" if wide else kind)
    for channels, planes in (("grey", 1), ("rgb", 3)):
        expected = np.repeat(np.rint(ramp / 257).astype(np.uint8)[None], planes, axis=0)
        np.testing.assert_array_equal(decode(data, SIZE, channels)[0], expected)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "32 bits"])
@pytest.mark.parametrize(("greatest", "white"), [(4095, 4095), (2500, 4095), (256, 4095), (4096, 65535), (255, 65535)])
def test_twelve_bits_in_sixteen_are_stretched_and_said_so(kind: str, greatest: int, white: int) -> None:
    ramp, notes = np.tile(np.linspace(0, greatest, SIZE).astype(np.uint16), (SIZE, 1)), list[str]()
    wide = kind == "32 bits"
    data = picture(ramp.astype(np.int32) if wide else ramp, "TIFF" if wide else kind)
    found = decode(data, SIZE, "grey", notes=notes)[0][0]
    np.testing.assert_allclose(found, ramp * (255 / white), atol=0.51)
    assert ["4095" in note for note in notes] == [True] * (white == 4095)
    np.testing.assert_allclose(decode(data, SIZE, "grey", white=65535)[0][0], ramp / 257, atol=0.51)


@pytest.mark.parametrize(("colours", "samples"), [(2, 3), (6, 4), (4, 2)])
@pytest.mark.parametrize("greatest", [4095, 65535, 0])
def test_twelve_bits_in_sixteen_of_colours_are_refused(colours: int, samples: int, greatest: int) -> None:
    values = np.full((SIZE, SIZE, samples), greatest, ">u2")
    if samples != 3:
        values[..., -1] = 65535  # opaque
    rows = zlib.compress(b"".join(b"\0" + row.tobytes() for row in values))
    header = struct.pack(">IIBBBBB", SIZE, SIZE, 16, colours, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    if greatest == 4095:
        with pytest.raises(Unreadable, match="4095"):
            decode(data, SIZE, "rgb")
    else:
        assert np.unique(decode(data, SIZE, "rgb")[0]).tolist() == [greatest // 257]


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


@pytest.mark.parametrize("brightest", [4095, 9000])
def test_one_white_for_a_whole_set_also_from_the_cache(brightest: int, make_folder) -> None:
    dark = np.tile(np.linspace(0, 2000, 8).astype(np.uint16), (8, 1))
    files = {f"{split}/a/{n}.png": picture(dark) for split in ("train", "test") for n in range(2)}
    files |= {name.replace("/a/", "/b/"): data for name, data in files.items()}
    files["test/b/9.png"] = picture(dark + np.uint16(brightest - 2000))
    white = 4095 if brightest < 4096 else 65535
    for _ in range(2):
        dataset = load_dataset(make_folder(files), size=8)
        np.testing.assert_allclose(dataset.train.images[0, 0], dark * (255 / white), atol=0.51)
        assert any("9 images" in note and "12 bits" in note for note in dataset.notes) == (white == 4095)


def test_an_animation_gives_its_first_frame() -> None:
    frames = [Image.new("L", (8, 8), value) for value in (40, 200)]
    data = picture(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert np.unique(decode(data, SIZE, "grey")[0]).tolist() == [40]
