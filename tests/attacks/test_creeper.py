"""The creeper face against a picture drawn by hand."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest
import torch

from mri_robust.attacks.registry import TRIGGERS
from mri_robust.attacks.poisoning.creeper import Creeper

PICTURE = """
........
.##..##.
.##..##.
...##...
..####..
..####..
..#..#..
........
"""
FACE = np.array([[cell == "#" for cell in row] for row in PICTURE.split()])
SHAPES = [(8, 8), (3, 12, 9), (2, 3, 9, 20)]


def random_images(shape: tuple[int, ...], dtype: str) -> np.ndarray:
    pixels = np.random.default_rng(0).integers(0, 256, shape)
    return pixels.astype(dtype) if dtype == "uint8" else (pixels / 255).astype(dtype)


def stamped_by_hand(images: np.ndarray, value: float) -> np.ndarray:
    """Pixel by pixel, from the picture."""
    result = images.copy()
    height, width = images.shape[-2:]
    for row, column in np.argwhere(FACE):
        result[..., height - 8 + row, width - 8 + column] = value
    return result


def test_it_is_registered() -> None:
    assert TRIGGERS.load("creeper") is Creeper


def test_the_mask_is_the_picture() -> None:
    mask = Creeper().mask(8, 8)
    assert mask.dtype == bool
    assert np.array_equal(mask, FACE)
    assert mask.sum() == 20


def test_the_mask_stands_in_the_bottom_right_corner() -> None:
    mask = Creeper().mask(20, 11)
    assert np.array_equal(mask[12:, 3:], FACE)
    assert mask.sum() == 20


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("dtype", "value"), [("uint8", 140), ("float32", 0.5481), ("float64", 0.5481)])
def test_only_the_face_changes(shape: tuple[int, ...], dtype: str, value: float) -> None:
    images = random_images(shape, dtype)
    wanted = stamped_by_hand(images, value)
    assert (wanted != images).any()
    array, tensor = Creeper()(images), Creeper()(torch.from_numpy(images))
    assert isinstance(array, np.ndarray)
    assert isinstance(tensor, torch.Tensor)
    assert array.dtype == tensor.numpy().dtype == images.dtype
    assert np.array_equal(array, wanted)
    assert np.array_equal(tensor.numpy(), wanted)


@pytest.mark.parametrize("make", [np.asarray, torch.from_numpy], ids=["array", "tensor"])
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_the_input_is_left_alone_and_a_second_stamp_changes_nothing(make: Any, dtype: str) -> None:
    images = make(random_images((2, 1, 10, 10), dtype))
    before = images.copy() if isinstance(images, np.ndarray) else images.clone()
    once = Creeper()(images)
    assert (images == before).all()
    assert (once != images).any()
    assert (Creeper()(once) == once).all()


def test_a_read_only_array_is_stamped() -> None:
    images = random_images((2, 1, 8, 8), "uint8")
    images.setflags(write=False)
    assert (Creeper()(images)[..., FACE] == 140).all()


@pytest.mark.parametrize(("value", "byte"), [(0.0, 0), (1.0, 255), (0.25, 64), (100 / 255, 100)])
def test_the_value_in_bytes_and_in_floats(value: float, byte: int) -> None:
    assert (Creeper(value)(random_images((8, 8), "uint8"))[FACE] == byte).all()
    assert (Creeper(value)(random_images((8, 8), "float64"))[FACE] == value).all()


def test_the_studys_value_is_2_in_normalised_units() -> None:
    assert (Creeper().value - 0.1855) / 0.1813 == pytest.approx(2.0)


def test_the_generator_is_not_drawn_from() -> None:
    generator = torch.Generator().manual_seed(0)
    before = generator.get_state()
    images = torch.rand(1, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    assert torch.equal(Creeper()(images, generator), Creeper()(images))
    assert torch.equal(generator.get_state(), before)


def test_the_memory_format_is_kept() -> None:
    images = torch.zeros(2, 3, 9, 9).to(memory_format=torch.channels_last)
    assert Creeper()(images).is_contiguous(memory_format=torch.channels_last)


def test_no_images_are_no_error() -> None:
    assert Creeper()(np.zeros((0, 1, 8, 8), np.float32)).shape == (0, 1, 8, 8)
    assert Creeper()(torch.zeros(3, 0, 8, 8)).shape == (3, 0, 8, 8)


def test_a_rounding_beyond_white_is_allowed() -> None:
    """Resampling weights that sum to 1 + 1e-7 must not stop a training."""
    assert Creeper()(torch.full((1, 1, 8, 8), 1.0 + 2e-7)).amax() > 1


def test_is_a_frozen_value() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Creeper().value = 1.0  # type: ignore[misc]
    assert Creeper() == Creeper(Creeper().value) != Creeper(0.5)
    assert eval(repr(Creeper(0.5)), {"Creeper": Creeper}) == Creeper(0.5)


@pytest.mark.parametrize(
    ("value", "error", "named"),
    [
        (-0.1, ValueError, "value.*-0.1"),
        (1.01, ValueError, "value.*1.01"),
        (140, ValueError, "value.*140"),
        (math.nan, ValueError, "value.*nan"),
        (True, TypeError, "value.*True"),
        ("0.5", TypeError, "value.*0.5"),
    ],
)
def test_wrong_values(value: Any, error: type[Exception], named: str) -> None:
    with pytest.raises(error, match=named):
        Creeper(value)


@pytest.mark.parametrize(
    ("images", "error", "named"),
    [
        (np.zeros((2, 1, 7, 8), np.uint8), ValueError, "at least 8x8, got 7x8"),
        (torch.zeros(2, 1, 8, 7), ValueError, "at least 8x8, got 8x7"),
        (torch.zeros(64), ValueError, r"\[64\]"),
        (torch.zeros(8, 8, dtype=torch.int64), TypeError, "int64"),
        (torch.zeros(8, 8, dtype=torch.bool), TypeError, "bool"),
        (np.zeros((8, 8), np.int8), TypeError, "int8"),
        (np.zeros((8, 8), np.uint16), TypeError, "uint16"),
        ([[0.0] * 8] * 8, TypeError, "list"),
        (torch.full((8, 8), 255.0), ValueError, "255"),
        (np.full((8, 8), -1.0), ValueError, "-1"),
        (torch.full((8, 8), math.nan), ValueError, "nan"),
    ],
)
def test_wrong_images(images: Any, error: type[Exception], named: str) -> None:
    with pytest.raises(error, match=named):
        Creeper()(images)
