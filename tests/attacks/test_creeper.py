"""The creeper face against a picture drawn by hand."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest
import torch

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


def random_images(shape: tuple[int, ...], dtype: str) -> np.ndarray:
    pixels = np.random.default_rng(0).integers(0, 256, shape)
    return pixels.astype(dtype) if dtype == "uint8" else (pixels / 255).astype(dtype)


@pytest.mark.parametrize(("height", "width"), [(8, 8), (20, 11)])
def test_the_mask_is_the_picture_in_the_bottom_right_corner(height: int, width: int) -> None:
    mask = Creeper().mask(height, width)
    assert mask.dtype == bool
    assert np.array_equal(mask[-8:, -8:], FACE)
    assert mask.sum() == FACE.sum() == 20


@pytest.mark.parametrize("shape", [(8, 8), (3, 12, 9), (2, 3, 9, 20)])
@pytest.mark.parametrize(("dtype", "value"), [("uint8", 140), ("float32", 0.5481), ("float64", 0.5481)])
def test_only_the_face_changes_and_the_input_is_left_alone(shape: tuple[int, ...], dtype: str, value: float) -> None:
    images = random_images(shape, dtype)
    before, wanted = images.copy(), images.copy()
    for row, column in np.argwhere(FACE):
        wanted[..., shape[-2] - 8 + row, shape[-1] - 8 + column] = value
    tensor = Creeper()(torch.from_numpy(images))
    images.setflags(write=False)
    array = Creeper()(images)
    assert isinstance(array, np.ndarray)
    assert isinstance(tensor, torch.Tensor)
    for found in (array, tensor.numpy(), Creeper()(array)):
        assert found.dtype == images.dtype
        assert np.array_equal(found, wanted)
    assert np.array_equal(images, before)


@pytest.mark.parametrize(("value", "byte"), [(0.0, 0), (1.0, 255), (0.25, 64), (100 / 255, 100)])
def test_the_value_in_bytes_and_in_floats(value: float, byte: int) -> None:
    assert (Creeper(value)(random_images((8, 8), "uint8"))[FACE] == byte).all()
    assert (Creeper(value)(random_images((8, 8), "float64"))[FACE] == value).all()


def test_the_studys_value_is_2_in_normalised_units() -> None:
    assert (Creeper().value - 0.1855) / 0.1813 == pytest.approx(2.0)


def test_nothing_is_drawn_and_the_memory_format_is_kept() -> None:
    generator = torch.Generator().manual_seed(0)
    before = generator.get_state()
    images = torch.zeros(2, 3, 9, 9).to(memory_format=torch.channels_last)
    stamped = Creeper()(images, generator)
    assert torch.equal(generator.get_state(), before)
    assert stamped.is_contiguous(memory_format=torch.channels_last)


def test_no_images_and_a_rounding_beyond_white_are_no_error() -> None:
    """Resampling weights that sum to 1 + 1e-7 must not stop a training."""
    assert Creeper()(np.zeros((0, 1, 8, 8), np.float32)).shape == (0, 1, 8, 8)
    assert Creeper()(torch.full((1, 1, 8, 8), 1.0 + 2e-7)).amax() > 1


def test_is_a_frozen_value() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Creeper().value = 1.0  # type: ignore[misc]
    assert Creeper() == Creeper(Creeper().value) != Creeper(0.5)
    assert eval(repr(Creeper(0.5)), {"Creeper": Creeper}) == Creeper(0.5)


@pytest.mark.parametrize(
    ("value", "error"),
    [
        (-0.1, ValueError),
        (1.01, ValueError),
        (140, ValueError),
        (math.nan, ValueError),
        (True, TypeError),
        ("1", TypeError),
    ],
)
def test_wrong_values(value: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="value"):
        Creeper(value)


@pytest.mark.parametrize(
    ("images", "error", "named"),
    [
        (np.zeros((2, 1, 7, 8), np.uint8), ValueError, "8x8, got 7x8"),
        (torch.zeros(2, 1, 8, 7), ValueError, "8x8, got 8x7"),
        (torch.zeros(64), ValueError, r"\[64\]"),
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
