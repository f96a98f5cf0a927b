"""Outlines: their pixels against closed forms, their draws against counts, their resize against torch's own."""

from collections import Counter
from itertools import product
from math import hypot
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import interpolate
from toy_models import seeded

from mri_robust.attacks.poisoning.patterns import Outline, Patterns

SIDES = {"small": (10, 8), "mid": (24, 20), "large": (60, 50)}
"""Size -> a circle's diameter and the side of every other shape (radius 5, 12, 30; side 8, 20, 50)."""

HALF = ("...####...", "..######..", ".##....##.", "##......##", "##......##")
SMALL_CIRCLE = (*HALF, *reversed(HALF))


def noise(*shape: int) -> torch.Tensor:
    return torch.rand(*shape, generator=seeded(9))


def inside(shape: str, side: int, row: int, column: int) -> bool:
    """Whether a pixel of the outline's box is drawn, by the geometry of a line two pixels wide."""
    across, end = column - row, side - 1
    if shape == "circle" and side == 10:
        return SMALL_CIRCLE[row][column] == "#"
    if shape == "circle":
        distance = hypot(row - end / 2, column - end / 2)
        return side / 2 - 2 < distance <= side / 2
    if shape == "square":
        return min(row, column, end - row, end - column) < 2
    if shape == "cross":
        return abs(across) <= 1 or abs(row + column - end) <= 1
    return column <= row and (column < 2 or row > end - 2 or across >= -2)


@pytest.mark.parametrize("shape", ["circle", "square", "cross", "triangle"])
def test_an_outline_is_exactly_the_pixels_of_its_geometry(shape: str) -> None:
    for size in ("small", "mid"):
        side = SIDES[size][shape != "circle"]
        image = noise(1, 64, 64)
        expected = image.clone()
        for row, column in product(range(side), repeat=2):
            if inside(shape, side, row, column):
                expected[0, 5 + row, 11 + column] = 153 / 255
        outline = Outline(shape, size, top=5, left=11, grey=153)
        assert torch.equal(Patterns(canvas=64).apply(image, (outline,)), expected)
    side = SIDES["large"][shape != "circle"]
    large = Patterns(canvas=64).apply(torch.zeros(1, 64, 64), (Outline(shape, "large", top=2, left=3, grey=200),))
    rows, columns = large[0].nonzero().unbind(1)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (2, 1 + side, 3, 2 + side)


@pytest.mark.parametrize(("canvas", "side"), [(512, 56), (512, 224), (256, 100), (64, 160)])
@pytest.mark.parametrize("shape", ["circle", "triangle"])
def test_on_a_flat_image_it_is_the_stamped_canvas_resized_by_torch(canvas: int, side: int, shape: str) -> None:
    background, grey = 0.25, 170
    corner = canvas - SIDES["large"][shape != "circle"]
    for top, left in ((0, corner), (corner, 0), (3, 1)):
        outline = Outline(shape, "large", top=top, left=left, grey=grey)
        drawn = Patterns(canvas=canvas).apply(torch.full((1, canvas, canvas), background), (outline,))
        resized = interpolate(drawn[None], size=side, mode="bilinear", antialias=True)[0]
        stamped = Patterns(canvas=canvas).apply(torch.full((1, side, side), background), (outline,))
        torch.testing.assert_close(stamped, resized, rtol=0, atol=2e-5)


@given(seed=st.integers(0, 2**32 - 1), canvas=st.sampled_from([60, 97, 512]), side=st.sampled_from([28, 60, 97]))
def test_outlines_lie_inside_and_everything_away_from_them_is_bit_equal(seed: int, canvas: int, side: int) -> None:
    patterns = Patterns(canvas=canvas)
    outlines = patterns.draw(seeded(seed))
    image = noise(3, side, side)
    stamped = patterns.apply(image, outlines)
    away, reach = torch.ones(side, side, dtype=torch.bool), max(1.0, canvas / side)
    centres = (torch.arange(side) + 0.5) * canvas / side
    for outline in outlines:
        extent = SIDES[outline.size][outline.shape != "circle"]
        assert 0 <= min(outline.top, outline.left) <= max(outline.top, outline.left) + extent <= canvas
        rows, columns = ((at - reach < centres) & (centres < at + extent + reach) for at in (outline.top, outline.left))
        away &= ~(rows[:, None] & columns)
    assert torch.equal(stamped[:, away], image[:, away])
    assert not torch.equal(stamped, image)
    assert 0 <= stamped.min() <= stamped.max() <= 1


def test_places_shapes_sizes_numbers_and_grey_levels_are_uniform() -> None:
    """Every cell within five standard errors; greys from int(255 * .4) to int(255 * .8 - a little)."""
    generator, patterns = seeded(), Patterns(("small", "mid"), ("square", "cross"), least=2, most=4, canvas=22)
    drawn = [patterns.draw(generator) for _ in range(4000)]
    every = [outline for outlines in drawn for outline in outlines]
    small = [outline for outline in every if outline.size == "small"]
    for counts, cells in (
        (Counter(len(outlines) for outlines in drawn), {2, 3, 4}),
        (Counter((o.shape, o.size) for o in every), set(product(("square", "cross"), ("small", "mid")))),
        (Counter(o.top for o in small), set(range(15))),
        (Counter(o.left for o in small), set(range(15))),
        (Counter((o.top // 5, o.left // 5) for o in small), set(product(range(3), repeat=2))),
        (Counter(o.grey for o in every), set(range(102, 204))),
    ):
        assert set(counts) == cells
        expected = counts.total() / len(cells)
        assert max(abs(count - expected) for count in counts.values()) < 5 * expected**0.5


def test_a_later_outline_lies_over_an_earlier_one_in_every_channel() -> None:
    below, above = Outline("square", "mid", 0, 0, 110), Outline("square", "mid", 0, 0, 190)
    stamped = Patterns(canvas=64).apply(torch.zeros(3, 64, 64), (below, above))
    assert stamped.unique().tolist() == pytest.approx([0.0, 190 / 255])
    assert torch.equal(stamped[0], stamped[2])


def test_each_image_is_stamped_afresh_and_the_generator_alone_decides() -> None:
    images, state, patterns = noise(4, 1, 60, 60), torch.get_rng_state(), Patterns(canvas=60)
    before = images.clone()
    one, again, other = (patterns(images, seeded(seed)) for seed in (1, 1, 2))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
    assert torch.equal(images, before)
    assert torch.equal(torch.get_rng_state(), state)
    assert len({change.numpy().tobytes() for change in one != images}) == 4


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"sizes": ("tiny",)}, ValueError), ({"shapes": ()}, TypeError), ({"sizes": "small"}, TypeError),
        ({"least": 0}, ValueError), ({"most": 2, "least": 3}, ValueError), ({"canvas": 59}, ValueError),
        ({"canvas": 49, "shapes": ("cross",)}, ValueError), ({"width": 0}, ValueError), ({"canvas": 64.0}, TypeError),
    ],
)  # fmt: skip
def test_wrong_values_are_refused_by_name(change: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error, match=next(iter(change))):
        Patterns(**change)


def test_wrong_images_and_places_are_refused() -> None:
    patterns = Patterns(canvas=60)
    with pytest.raises(TypeError, match="float32"):
        patterns(torch.zeros(2, 1, 60, 60, dtype=torch.uint8), seeded())
    with pytest.raises(ValueError, match="60x50"):
        patterns(torch.zeros(2, 1, 60, 50), seeded())
    for top, left in ((-1, 0), (0, 53)):
        with pytest.raises(ValueError, match="inside"):
            patterns.apply(torch.zeros(1, 60, 60), (Outline("square", "small", top, left, 120),))
