"""Contact sheets: every picture lands, whole and in its place, under any name."""

import base64
import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from mri_robust.report.contact_sheet import Picture, contact_sheet, fold, opened, save_sheet


def flat(colour: tuple[int, int, int], side: int = 8) -> np.ndarray:
    return np.array(colour, np.uint8)[:, None, None].repeat(side, 1).repeat(side, 2)


def place(page: Image.Image, colour: tuple[int, int, int]) -> tuple[int, int, int, int]:
    """(left, top, width, height) of the box round a colour; it must fill it."""
    rows, columns = np.nonzero((np.asarray(page) == colour).all(-1))
    left, top, width, height = columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1
    assert len(rows) == width * height
    return int(left), int(top), int(width), int(height)


@pytest.mark.parametrize(("count", "across"), [(1, 1), (5, 1), (40, 1), (7, 3)])
def test_every_picture_lands_whole_in_reading_order(count: int, across: int) -> None:
    colours = [(10 + 5 * n, 200, 100) for n in range(count)]
    strips = [(f"strip {n}", [Picture(flat(colour), f"caption {n}")]) for n, colour in enumerate(colours)]
    if across == 1:
        strips = [("all", [pictures[0] for _, pictures in strips])]
    page = contact_sheet(strips, "title", across=across)
    places = [place(page, colour) for colour in colours]
    assert {(width, height) for *_, width, height in places} == {(112, 112)}
    order = [(top, left) for left, top, *_ in places]
    assert order == sorted(order)
    rows = {top for top, _ in order}
    assert len(rows) == {1: 1, 5: 1, 40: 4, 7: 3}[count]
    assert all(left + width <= page.width and top + height <= page.height for left, top, width, height in places)


@pytest.mark.parametrize(("side", "tile"), [(8, 112), (56, 112), (64, 128), (128, 128), (224, 224), (512, 256)])
def test_small_pictures_keep_square_pixels_and_large_ones_are_shrunk(side: int, tile: int) -> None:
    image = np.random.default_rng(0).integers(1, 255, (3, side, side), dtype=np.uint8)
    page = np.asarray(contact_sheet([("", [Picture(image)])], "t"))
    dark = np.argwhere((page[:, :, 1] < 255) & (page.min(-1) != page.max(-1)))  # coloured, unlike text
    top, left = dark.min(0)
    shown = page[top : top + tile, left : left + tile]
    assert (dark.max(0) - dark.min(0) + 1 <= tile).all()
    if tile >= side:
        np.testing.assert_array_equal(shown, image.repeat(tile // side, 1).repeat(tile // side, 2).transpose(1, 2, 0))


def test_arrays_images_and_text_show_the_same_and_frames_leave_the_middle() -> None:
    pixels = np.arange(64, dtype=np.uint8).reshape(1, 8, 8)
    image = Image.fromarray(pixels[0])
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    kinds = (pixels, pixels.repeat(3, 0), image, base64.b64encode(buffer.getvalue()).decode())
    assert all(np.array_equal(np.asarray(opened(kind)), pixels[0][..., None].repeat(3, -1)) for kind in kinds)
    assert np.asarray(opened(Image.new("RGBA", (1, 1)))).tolist() == [[[128, 128, 128]]]
    page = contact_sheet([("", [Picture(flat((1, 2, 3)), colour="#D55E00")])], "t")
    assert place(page, (1, 2, 3))[2:] == (106, 106)
    assert ((np.asarray(page) == (0xD5, 0x5E, 0)).all(-1)).sum() == 112**2 - 106**2


def test_what_is_too_much_is_left_out_and_counted() -> None:
    strips = [(str(n), [Picture(flat((n, m, 9))) for m in range(5)]) for n in range(3)]
    page = contact_sheet(strips, "t", most=7)
    shown = {(n, m) for n in range(3) for m in range(5) if (np.asarray(page) == (n, m, 9)).all(-1).any()}
    assert shown == {(0, m) for m in range(5)} | {(1, 0), (1, 1)}
    whole = contact_sheet([(name, pictures[:2] if name == "1" else pictures) for name, pictures in strips[:2]], "t")
    assert page.height > whole.height  # a line says so


@given(st.text(max_size=400), st.integers(4, 60), st.integers(1, 3))
def test_any_text_folds_into_few_printable_lines(text: str, width: int, lines: int) -> None:
    folded = fold(text, width, lines)
    assert len(folded) <= lines
    assert all(len(line) <= width and line.isprintable() for line in folded)


def test_long_names_keep_both_ends_and_hostile_ones_are_drawn(tmp_path: Path) -> None:
    assert fold("Training/" + "x" * 200 + "/7.png", 20) == ["Training/" + "x" * 11, "…" + "x" * 13 + "/7.png"]
    assert fold("ε = 1/255\nglioma 99%", 40) == ["ε = 1/255", "glioma 99%"]
    hostile = "\x1b[31m\udcff\x00 脳 <b>$x_{$ " + "W" * 500
    pages = [contact_sheet([(hostile, [Picture(flat((1, 2, 3)), hostile)])], hostile, hostile) for _ in range(2)]
    assert place(pages[0], (1, 2, 3))[2:] == (112, 112)
    assert (np.asarray(pages[0])[:, -20:] == 255).all()  # nothing is written over the margin
    for number, page in enumerate(pages):
        save_sheet(page, tmp_path / f"{number}.png")
    assert (tmp_path / "0.png").read_bytes() == (tmp_path / "1.png").read_bytes()
