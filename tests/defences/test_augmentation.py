"""Augmentation against torchvision's own functions, with the draw pinned to one outcome."""

import math
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torchvision.transforms.v2 import functional as transforms

from mri_robust.defences.augmentation import Augmentation, draw_box, rotate_each

EVERYTHING = Augmentation(0.5, 0.5, 15, 0.2, 0.2, 0.2, 0.1, 0.8, 0.5)


def pictures(channels: int = 3, count: int = 4, side: int = 16) -> Tensor:
    return torch.rand((count, channels, side, side), generator=torch.Generator().manual_seed(0))


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("side", [7, 8, 15, 16, 56, 63])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_rotation_of_all_images_at_once_is_torchvisions_of_each_bit_for_bit(side: int, channels: int) -> None:
    """But for pixels halfway between two, where another processor's rounding in torchvision may decide."""
    angles = [0.0, 1e-9, 30.0, 45.0, 89.99, 90.0, -90.0, 180.0, -180.0, 135.0]
    angles += ((torch.rand(40, generator=seeded(side), dtype=torch.float64) - 0.5) * 360).tolist()
    images = pictures(channels, len(angles), side)
    along = torch.arange(side, dtype=torch.float64) - (side - 1) / 2
    for angle, image, rotated in zip(angles, images, rotate_each(images, angles), strict=True):
        r = math.radians(angle)
        columns = along[None, :] * math.cos(r) - along[:, None] * math.sin(r) + (side - 1) / 2
        rows = along[None, :] * math.sin(r) + along[:, None] * math.cos(r) + (side - 1) / 2
        halfway = sum(((place % 1 - 0.5).abs() < 1e-4).int() for place in (columns, rows)) > 0
        nearest = [place.round().long() for place in (rows, columns)]
        inside = (nearest[0] >= 0) & (nearest[0] < side) & (nearest[1] >= 0) & (nearest[1] < side)
        picked = image[:, nearest[0].clamp(0, side - 1), nearest[1].clamp(0, side - 1)] * inside
        assert torch.equal(rotated[:, ~halfway], picked[:, ~halfway])
        assert torch.equal(rotated[:, ~halfway], transforms.rotate(image, angle)[:, ~halfway])


@given(seed=st.integers(0, 2**32), channels=st.sampled_from([1, 3]), side=st.sampled_from([8, 15]))
def test_everything_together_is_torchvisions_one_image_after_the_other(seed: int, channels: int, side: int) -> None:
    images, before = pictures(channels, side=side), torch.get_rng_state()
    kept, generator, truth = images.clone(), seeded(seed), []
    for drawn, image in [(EVERYTHING.draw(image.shape, generator), image) for image in images]:
        for chosen, flip in ((drawn.horizontal, transforms.hflip), (drawn.vertical, transforms.vflip)):
            image = flip(image) if chosen else image
        image = transforms.rotate(image, drawn.angle)
        for change, factor in drawn.colours:
            image = change(image, factor)
        image = transforms.resized_crop(image, *(drawn.crop or ()), size=[side, side], antialias=True)
        truth.append(transforms.erase(image, *drawn.hole, torch.zeros(1, 1, 1)) if drawn.hole else image)
    found = EVERYTHING(images, seeded(seed))
    assert torch.equal(found, torch.stack(truth))
    assert 0 <= found.min() <= found.max() <= 1
    assert torch.equal(images, kept)
    assert torch.equal(torch.get_rng_state(), before)


def test_many_images_are_changed_like_few() -> None:
    """A batch of more numbers than are changed at a time."""
    images, augmentation = pictures(3, 90, 56), Augmentation(0.5, 0.5, 15, erase=0.5)
    few, generator = [], seeded(1)
    for some in images.split(7):
        few.append(augmentation(some, generator))
    assert torch.equal(augmentation(images, seeded(1)), torch.cat(few))


FACTORS = {
    transforms.adjust_brightness: (0.7, 1.3),
    transforms.adjust_contrast: (0.6, 1.4),
    transforms.adjust_saturation: (0.5, 1.5),
    transforms.adjust_hue: (-0.2, 0.2),
}


def test_draws_fill_their_ranges_colours_come_in_every_order_and_flips_as_often_as_said() -> None:
    augmentation, generator = Augmentation(0.3, 0.6, 20, 0.3, 0.4, 0.5, 0.2), seeded()
    drawn = [augmentation.draw((3, 8, 8), generator) for _ in range(2000)]
    assert len({tuple(change for change, _ in each.colours) for each in drawn}) == 24
    for rate, flips in ((0.3, [each.horizontal for each in drawn]), (0.6, [each.vertical for each in drawn])):
        assert abs(sum(flips) / 2000 - rate) < 4 * math.sqrt(0.25 / 2000)
    for change, (low, high) in {**FACTORS, "angle": (-20.0, 20.0)}.items():
        factors = [each.angle if change == "angle" else dict(each.colours)[change] for each in drawn]
        assert low <= min(factors) < low + 0.02 * (high - low)
        assert high - 0.02 * (high - low) < max(factors) <= high
    sides = torch.tensor([Augmentation(erase=1).draw((1, 999, 999), generator).hole[2:] for _ in range(300)])
    for found, span in (((sides.prod(1) / 999**2), (0.02, 0.2)), (sides[:, 1] / sides[:, 0], (0.3, 3.3))):
        assert [float(found.min()), float(found.max())] == pytest.approx(span, rel=0.1)
    grey = augmentation.draw((1, 8, 8), generator).colours
    assert {change for change, _ in grey} == {transforms.adjust_brightness, transforms.adjust_contrast}
    assert torch.equal(Augmentation()(pictures(), seeded()), pictures())


@given(
    side=st.integers(1, 40),
    low=st.floats(0.0, 1.0),
    span=st.floats(0.0, 1.0),
    ratio=st.tuples(st.floats(0.1, 1.0), st.floats(1.0, 10.0)),
    draws=st.lists(st.floats(0, 1, exclude_max=True), min_size=40, max_size=40),
)
def test_a_box_lies_inside_and_has_the_area_and_aspect_drawn(
    side: int, low: float, span: float, ratio: tuple[float, float], draws: list[float]
) -> None:
    scale, supply = (low, low + span * (1 - low)), iter(draws)
    top, left, height, width = draw_box(side, scale, ratio, lambda a, b: a + (b - a) * next(supply))
    assert all(isinstance(value, int) for value in (top, left, height, width))
    assert 0 <= top <= top + height <= side
    assert 0 <= left <= left + width <= side
    assert min(height, width) >= 1
    if (height, width) != (side, side):
        rounding = (height + width) / 2 + 0.25
        assert scale[0] * side**2 - rounding - 1e-6 <= height * width <= scale[1] * side**2 + rounding + 1e-6
        assert ratio[0] * (height - 0.5) - 0.5 - 1e-6 <= width <= ratio[1] * (height + 0.5) + 0.5 + 1e-6


@pytest.mark.parametrize(
    "change",
    [{"horizontal_flip": 1.5}, {"erase": -0.1}, {"brightness": math.nan}, {"degrees": 200}, {"crop_scale": "0.8"}],
)
def test_wrong_values_are_refused_by_name(change: dict[str, Any]) -> None:
    with pytest.raises((TypeError, ValueError), match=next(iter(change))):
        Augmentation(**change)
