"""NIfTI slices: values as nibabel scales them, and lying as radiologists look at them."""

from __future__ import annotations

import gzip
import itertools
import re
import struct
import tracemalloc

import nibabel
import numpy as np
import pytest
from medical_files import nifti

from mri_robust.core.errors import UserError
from mri_robust.data.formats.limits import Unreadable
from mri_robust.data.formats.nifti import open_nifti
from mri_robust.data.pixels import decode

WIDE, HIGH = 6, 9
PLANES = {"axial": (0, 1), "coronal": (0, 2), "sagittal": (1, 2)}
"""Plane -> the world axes (right, anterior, superior) that lie in it."""


def shown(data: bytes) -> np.ndarray:
    return np.asarray(open_nifti(data))


def lying(plane: str, flips: tuple[int, int, int], swap: bool) -> tuple[np.ndarray, tuple[int, int, int]]:
    """An affine whose array axes lie along world axes in some order and sense, and the array's shape."""
    first, second = PLANES[plane][:: -1 if swap else 1]
    across = 3 - first - second
    affine = np.zeros((4, 4))
    for array_axis, world_axis in enumerate((first, second, across)):
        affine[world_axis, array_axis] = flips[array_axis] * (array_axis + 1.5)
    affine[:, 3] = (10, -20, 30, 1)
    return affine, (WIDE, HIGH, 1)


@pytest.mark.parametrize("plane", PLANES)
@pytest.mark.parametrize("swap", [False, True])
@pytest.mark.parametrize("flips", list(itertools.product((1, -1), repeat=3)))
@pytest.mark.parametrize("oblique", [0.0, 0.3])
def test_a_point_in_the_patient_is_where_a_radiologist_looks_for_it(plane, swap, flips, oblique) -> None:
    """Whatever lies right, in front or up: left in axial and coronal slices, top in all, its front left in sagittal."""
    affine, shape = lying(plane, flips, swap)
    turn = nibabel.eulerangles.euler2mat(oblique, oblique / 2, -oblique / 3)
    affine[:3, :3] = turn @ affine[:3, :3]
    corners = [(0, 0, 0), (WIDE - 1, 0, 0), (0, HIGH - 1, 0), (WIDE - 1, HIGH - 1, 0)]
    world = {corner: (turn.T @ (affine @ (*corner, 1))[:3])[list(PLANES[plane])] for corner in corners}
    centre = np.mean(list(world.values()), axis=0)
    (wanted,) = [corner for corner in corners if (world[corner] > centre).all()]
    values = np.zeros(shape, np.int16)
    values[wanted] = 100
    picture = shown(nifti(values, affine))
    assert picture[0, 0] == 255
    assert picture.sum() == 255
    assert picture.shape == ((WIDE, HIGH) if swap else (HIGH, WIDE))


def test_values_are_those_of_nibabel_from_the_least_to_the_greatest() -> None:
    values = np.random.default_rng(0).normal(300, 80, (WIDE, HIGH, 1))
    image = nibabel.Nifti1Image(values, np.diag([-1, -1, 1, 1]))
    image.set_data_dtype(np.int16)  # which nibabel writes with a slope and an intercept
    read = nibabel.Nifti1Image.from_bytes(image.to_bytes())
    assert read.dataobj.slope != 1
    floats = read.get_fdata()[..., 0].T  # this affine's axes run left and down the screen already
    expected = (floats - floats.min()) / np.ptp(floats) * 255
    np.testing.assert_allclose(shown(image.to_bytes()), expected, atol=0.5)


@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32, np.float64, ">i2"])
def test_versions_shapes_and_types_are_one_slice(kind: type, dtype: str) -> None:
    values = np.arange(WIDE * HIGH).reshape(WIDE, HIGH).astype(dtype)
    expected = np.rint(np.arange(WIDE * HIGH).reshape(WIDE, HIGH) * (255 / (WIDE * HIGH - 1)))[::-1, ::-1].T
    for shape in ((WIDE, HIGH), (WIDE, HIGH, 1), (WIDE, HIGH, 1, 1)):
        data = nifti(values.reshape(shape), kind=kind)
        np.testing.assert_array_equal(shown(data), expected)
        np.testing.assert_array_equal(shown(gzip.compress(data)), expected)
    assert decode(gzip.compress(nifti(values)), 16, "rgb", "X.NII.GZ")[1] == (WIDE, HIGH)


def test_a_slice_across_the_first_axis_is_sagittal() -> None:
    values = np.zeros((1, 4, 5), np.uint8)
    values[0, 3, 4] = 9  # front and top
    picture = shown(nifti(values))
    assert picture.shape == (5, 4)
    assert picture[0, 0] == 255


def test_a_header_whose_third_axis_has_no_sign_is_taken_as_others_take_it() -> None:
    image = nibabel.Nifti1Image(np.eye(4, dtype=np.uint8), None)
    image.header.set_qform(np.diag([-1, -1, 1, 1]), 1)
    data = bytearray(image.to_bytes())
    expected = shown(bytes(data))
    data[76:80] = struct.pack("<f", 0)
    np.testing.assert_array_equal(shown(bytes(data)), expected)


def changed(place: int, form: str, *values: float) -> bytes:
    """A sound file with other numbers at a place of its header."""
    data = bytearray(nifti(np.ones((4, 4), np.int16)))
    struct.pack_into(form, data, place, *values)
    return bytes(data)


HOLES = np.ones((4, 4), np.float32)
HOLES[1, 1] = np.nan
SOUND = nifti(np.ones((4, 4), np.int16))
FLAT = np.diag([1.0, 1.0, 0.0, 1.0])
REFUSED = {
    "volume": (nifti(np.zeros((4, 4, 155), np.uint8)), "a volume of 155 slices: export the slices that show"),
    "over time": (nifti(np.zeros((4, 4, 1, 7), np.uint8)), "a volume of 7 slices"),
    "holes": (nifti(HOLES), "not finite"),
    "complex": (nifti(np.ones((4, 4), np.complex64)), "no real numbers"),
    "pair": (SOUND[:344] + b"ni1\0" + SOUND[348:], "not a NIfTI file in one piece"),
    "no nifti": (b"\x89PNG\r\n\x1a\n" + bytes(500), "not a NIfTI file"),
    "cut short": (SOUND[:-1], "cut short or damaged"),
    "header cut short": (SOUND[:346], "not a NIfTI file"),
    "gzip cut short": (gzip.compress(SOUND)[:-40], "damaged|not a NIfTI"),
    "gzip damaged": (b"\x1f\x8b" + SOUND, "damaged"),
    "bomb of sides": (changed(40, "<4h", 3, 32767, 32767, 1), "too large"),
    "negative side": (changed(40, "<4h", 2, -4, 4, 1), "damaged"),
    "no side": (changed(40, "<4h", 2, 0, 4, 1), "damaged"),
    "fifty axes": (changed(40, "<h", 50), "volume|damaged"),
    "begins nowhere": (changed(108, "<f", 1e30), "damaged"),
    "begins at no number": (changed(108, "<f", float("nan")), "damaged"),
    "unknown type": (changed(70, "<h", 1234), "damaged|no real"),
    "beyond numbers": (changed(112, "<2f", 1, float("inf")), "damaged"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_slice_is_refused(name: str) -> None:
    data, reason = REFUSED[name]
    with pytest.raises(Unreadable, match=reason):
        decode(data, 8, "grey", "x.nii")


def test_an_affine_without_a_third_axis_does_not_say_how_the_slice_lies() -> None:
    image = nibabel.Nifti1Image(np.ones((4, 4)), None)
    image.header.set_sform(FLAT, 1)
    with pytest.raises(Unreadable, match="how it lies"):
        open_nifti(image.to_bytes())


def test_a_gzip_bomb_is_not_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mri_robust.data.formats.nifti.MAX_BYTES", 2**20)
    bomb = gzip.compress(bytes(2**26))
    tracemalloc.start()
    with pytest.raises(Unreadable, match="too large"):
        open_nifti(bomb)
    assert tracemalloc.get_traced_memory()[1] < 2**22
    tracemalloc.stop()


def test_without_nibabel_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "nibabel", None)
    with pytest.raises(UserError, match=re.escape("pip install 'mri-robust[medical]'")):
        decode(SOUND, 8, "grey", "x.nii")
