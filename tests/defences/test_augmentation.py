"""Augmentation against torchvision's own functions, with the draw pinned to one outcome."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torchvision.transforms.v2 import functional as transforms

from mri_robust.defences.augmentation import Augmentation, apply_changes, draw_box

EVERYTHING = Augmentation(0.5, 0.5, 15, 0.2, 0.2, 0.2, 0.1, 0.8, 0.5)


def pictures(channels: int = 3, count: int = 4, side: int = 16) -> Tensor:
    return torch.rand((count, channels, side, side), generator=torch.Generator().manual_seed(0))


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(
    ("augmentation", "truth"),
    [
        (Augmentation(), lambda images: images),
        (Augmentation(horizontal_flip=1), lambda images: images.flip(3)),
        (Augmentation(vertical_flip=1), lambda images: images.flip(2)),
        (Augmentation(horizontal_flip=1, vertical_flip=1), lambda images: images.rot90(2, (2, 3))),
    ],
)
@pytest.mark.parametrize("channels", [1, 3])
def test_certain_changes_are_exact(augmentation: Augmentation, truth: Callable, channels: int) -> None:
    images = pictures(channels)
    assert torch.equal(augmentation(images, seeded()), truth(images))


CHANGES: dict[str, tuple[dict[str, float], Callable[..., Tensor], Callable[[float], bool]]] = {
    "degrees": ({"degrees": 30}, transforms.rotate, lambda v: -30 <= v <= 30),
    "brightness": ({"brightness": 0.3}, transforms.adjust_brightness, lambda v: 0.7 <= v <= 1.3),
    "contrast": ({"contrast": 0.3}, transforms.adjust_contrast, lambda v: 0.7 <= v <= 1.3),
    "saturation": ({"saturation": 0.3}, transforms.adjust_saturation, lambda v: 0.7 <= v <= 1.3),
    "hue": ({"hue": 0.2}, transforms.adjust_hue, lambda v: -0.2 <= v <= 0.2),
}


@pytest.mark.parametrize("name", CHANGES)
def test_each_image_is_changed_by_torchvision_with_its_own_factor(name: str) -> None:
    parameters, function, in_range = CHANGES[name]
    augmentation, images = Augmentation(**parameters), pictures()
    generator = seeded()
    factors: list[float] = []
    for image in images:
        ((drawn, (factor,), options),) = augmentation.draw(image.shape, generator)
        assert (drawn, options) == (function, {})
        factors.append(factor)
    assert all(in_range(factor) for factor in factors)
    assert len(set(factors)) == len(factors)
    truth = torch.stack([function(image, factor) for image, factor in zip(images, factors, strict=True)])
    changed = augmentation(images, seeded())
    assert torch.equal(changed, truth)
    assert not torch.equal(changed, images)


def test_brightness_multiplies_and_is_clipped() -> None:
    images = pictures()
    for image, bright in zip(images, Augmentation(brightness=1)(images, seeded(1)), strict=True):
        dark = (image > 0.02) & (bright < 0.999)
        ratio = (bright / image)[dark]
        assert (ratio - ratio.median()).abs().max() < 1e-3
        assert ((bright >= 0) & (bright <= 1)).all()


@given(seed=st.integers(0, 2**32), channels=st.sampled_from([1, 3]), side=st.sampled_from([8, 15]))
def test_everything_together_stays_in_range_and_repeats(seed: int, channels: int, side: int) -> None:
    images = pictures(channels, side=side)
    kept = images.clone()
    one, again = (EVERYTHING(images, seeded(seed)) for _ in range(2))
    assert one.shape == images.shape
    assert one.dtype == images.dtype
    assert 0 <= one.min() <= one.max() <= 1
    assert torch.equal(one, again)
    assert torch.equal(images, kept)


def test_another_seed_changes_otherwise_and_the_global_generator_is_not_moved() -> None:
    before = torch.get_rng_state()
    assert not torch.equal(EVERYTHING(pictures(), seeded(0)), EVERYTHING(pictures(), seeded(1)))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("parameters", [{"hue": 0.5}, {"saturation": 1.0}, {"hue": 0.3, "saturation": 0.5}])
def test_a_grey_image_has_no_colour_to_change(parameters: dict[str, float]) -> None:
    augmentation = Augmentation(**parameters)
    assert torch.equal(augmentation(pictures(1), seeded()), pictures(1))
    grey_in_rgb = pictures(1).expand(-1, 3, -1, -1)
    torch.testing.assert_close(augmentation(grey_in_rgb, seeded()), grey_in_rgb, rtol=0, atol=1e-3)


def test_colour_changes_come_in_every_order() -> None:
    augmentation, generator = Augmentation(brightness=0.1, contrast=0.1, hue=0.1), seeded()
    orders = {tuple(change for change, *_ in augmentation.draw((3, 8, 8), generator)) for _ in range(200)}
    assert len(orders) == 6


def test_a_flip_happens_as_often_as_said() -> None:
    generator = seeded()
    flips = sum(bool(Augmentation(horizontal_flip=0.3).draw((1, 8, 8), generator)) for _ in range(2000))
    assert abs(flips / 2000 - 0.3) < 4 * math.sqrt(0.3 * 0.7 / 2000)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("seed", range(5))
def test_an_erased_rectangle_covers_2_to_20_percent(channels: int, seed: int) -> None:
    side = 64
    images = 0.25 + pictures(channels, side=side) / 2
    for erased, image in zip(Augmentation(erase=1)(images, seeded(seed)), images, strict=True):
        hole = (erased == 0).all(0)
        rows, columns = hole.any(1).nonzero().flatten(), hole.any(0).nonzero().flatten()
        height, width = int(rows[-1] - rows[0]) + 1, int(columns[-1] - columns[0]) + 1
        assert hole.sum() == height * width  # one full rectangle
        assert torch.equal(erased[:, ~hole], image[:, ~hole])
        rounding = (height + width) / 2 + 0.25
        assert 0.02 * side**2 - rounding <= height * width <= 0.2 * side**2 + rounding
        assert (height - 0.5) * 0.3 - 0.5 <= width <= (height + 0.5) * 3.3 + 0.5


def test_a_crop_is_resized_back_by_torchvision() -> None:
    images, generator = pictures(), seeded(2)
    augmentation = Augmentation(crop_scale=0.5)
    truth = []
    for image in images:
        ((_, (top, left, height, width), _),) = augmentation.draw(image.shape, generator)
        part = image[:, top : top + height, left : left + width]
        truth.append(transforms.resize(part, [16, 16], antialias=True))
    torch.testing.assert_close(augmentation(images, seeded(2)), torch.stack(truth), rtol=0, atol=1e-6)


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
    scale = (low, low + span * (1 - low))
    supply = iter(draws)
    top, left, height, width = draw_box(side, scale, ratio, lambda a, b: a + (b - a) * next(supply))
    assert all(isinstance(value, int) for value in (top, left, height, width))
    assert 0 <= top <= top + height <= side
    assert 0 <= left <= left + width <= side
    assert min(height, width) >= 1
    if (height, width) != (side, side):
        rounding = (height + width) / 2 + 0.25
        assert scale[0] * side**2 - rounding - 1e-6 <= height * width <= scale[1] * side**2 + rounding + 1e-6
        assert ratio[0] * (height - 0.5) - 0.5 - 1e-6 <= width <= ratio[1] * (height + 0.5) + 0.5 + 1e-6


def test_boxes_reach_every_corner() -> None:
    generator = seeded()
    uniform = lambda low, high: low + (high - low) * float(torch.rand((), generator=generator))  # noqa: E731
    boxes = [draw_box(6, (0.25, 0.25), (1, 1), uniform) for _ in range(300)]
    assert {(top, left) for top, left, *_ in boxes} == {(top, left) for top in range(4) for left in range(4)}


def test_no_changes_are_the_image_itself() -> None:
    image = pictures()[0]
    assert apply_changes(image, []) is image


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"horizontal_flip": 1.5}, ValueError),
        ({"erase": -0.1}, ValueError),
        ({"brightness": math.nan}, ValueError),
        ({"degrees": 200}, ValueError),
        ({"hue": 0.6}, ValueError),
        ({"crop_scale": "0.8"}, TypeError),
        ({"vertical_flip": True}, TypeError),
    ],
)
def test_wrong_values_are_refused_by_name(change: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error, match=next(iter(change))):
        Augmentation(**change)
