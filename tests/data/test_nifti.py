"""NIfTI slices as radiologists look at them; tests/fuzz has what is refused."""

import gzip
import itertools
import struct
import sys
import tracemalloc

import nibabel
import numpy as np
import pytest
from medical_files import nifti

from mri_robust.core.errors import UserError
from mri_robust.data.decode import Unreadable, decode, open_image


def shown_nifti(data: bytes) -> np.ndarray:
    return np.asarray(open_image(data, "x.nii"))


WIDE, HIGH = 6, 9
PLANES = {"axial": (0, 1), "coronal": (0, 2), "sagittal": (1, 2)}
"""Plane -> the world axes (right, anterior, superior) that lie in it."""


@pytest.mark.parametrize("plane", PLANES)
@pytest.mark.parametrize("swap", [False, True])
@pytest.mark.parametrize("flips", list(itertools.product((1, -1), repeat=3)))
@pytest.mark.parametrize("oblique", [0.0, 0.3])
def test_a_point_in_the_patient_is_where_a_radiologist_looks_for_it(plane, swap, flips, oblique) -> None:
    """Whatever lies right, in front or up: left in axial and coronal slices, top in all, its front left in sagittal."""
    first, second = PLANES[plane][:: -1 if swap else 1]
    affine = np.zeros((4, 4))  # array axes lie along world axes in some order and sense
    for array_axis, world_axis in enumerate((first, second, 3 - first - second)):
        affine[world_axis, array_axis] = flips[array_axis] * (array_axis + 1.5)
    affine[:, 3] = (10, -20, 30, 1)
    turn = nibabel.eulerangles.euler2mat(oblique, oblique / 2, -oblique / 3)
    affine[:3, :3] = turn @ affine[:3, :3]
    corners = [(0, 0, 0), (WIDE - 1, 0, 0), (0, HIGH - 1, 0), (WIDE - 1, HIGH - 1, 0)]
    world = {corner: (turn.T @ (affine @ (*corner, 1))[:3])[list(PLANES[plane])] for corner in corners}
    centre = np.mean(list(world.values()), axis=0)
    (wanted,) = [corner for corner in corners if (world[corner] > centre).all()]
    values = np.zeros((WIDE, HIGH, 1), np.int16)
    values[wanted] = 100
    picture = shown_nifti(nifti(values, affine))
    assert (picture[0, 0], picture.sum()) == (255, 255)
    assert picture.shape == ((WIDE, HIGH) if swap else (HIGH, WIDE))


def test_values_are_those_of_nibabel_from_the_least_to_the_greatest() -> None:
    values = np.random.default_rng(0).normal(300, 80, (WIDE, HIGH, 1))
    image = nibabel.Nifti1Image(values, np.diag([-1, -1, 1, 1]))
    image.set_data_dtype(np.int16)  # which nibabel writes with a slope and an intercept
    read = nibabel.Nifti1Image.from_bytes(image.to_bytes())
    assert read.dataobj.slope != 1
    floats = read.get_fdata()[..., 0].T  # this affine's axes run left and down the screen already
    np.testing.assert_allclose(shown_nifti(image.to_bytes()), (floats - floats.min()) / np.ptp(floats) * 255, atol=0.5)


@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32, np.float64, ">i2"])
def test_versions_shapes_and_types_are_one_slice(kind: type, dtype: str) -> None:
    values = np.arange(WIDE * HIGH).reshape(WIDE, HIGH).astype(dtype)
    expected = np.rint(np.arange(WIDE * HIGH).reshape(WIDE, HIGH) * (255 / (WIDE * HIGH - 1)))[::-1, ::-1].T
    for shape in ((WIDE, HIGH), (WIDE, HIGH, 1), (WIDE, HIGH, 1, 1)):
        data = nifti(values.reshape(shape), kind=kind)
        np.testing.assert_array_equal(shown_nifti(data), expected)
        np.testing.assert_array_equal(shown_nifti(gzip.compress(data)), expected)
    assert decode(gzip.compress(nifti(values)), 16, "rgb", "X.NII.GZ")[1] == (WIDE, HIGH)


def test_a_header_whose_third_axis_has_no_sign_is_taken_as_others_take_it() -> None:
    image = nibabel.Nifti1Image(np.eye(4, dtype=np.uint8), None)
    image.header.set_qform(np.diag([-1, -1, 1, 1]), 1)
    data = bytearray(image.to_bytes())
    expected = shown_nifti(bytes(data))
    data[76:80] = struct.pack("<f", 0)
    np.testing.assert_array_equal(shown_nifti(bytes(data)), expected)


def test_a_gzip_bomb_is_not_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mri_robust.data.decode.nifti.MAX_BYTES", 2**20)
    bomb = gzip.compress(bytes(2**26))
    tracemalloc.start()
    with pytest.raises(Unreadable, match="too large"):
        shown_nifti(bomb)
    assert tracemalloc.get_traced_memory()[1] < 2**22
    tracemalloc.stop()


@pytest.mark.parametrize(("package", "suffix"), [("nibabel", ".nii"), ("pydicom.pixels", ".dcm")])
def test_without_its_package_the_extra_is_named(package, suffix, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(UserError, match=r"mri-robust\[medical\]"):
        decode(nifti(np.eye(4)), 8, "grey", f"x{suffix}")


INNER = np.s_[2:8, 2:7]


@pytest.mark.parametrize("plane", [0, 1, 2])
@pytest.mark.parametrize(("low", "high", "zero"), [(5, 900, 0), (0, 1, 0), (-3, 4, -3)])
def test_nan_around_a_head_is_zero_and_inside_it_is_refused(plane: int, low: float, high: float, zero: float) -> None:
    head, values = np.random.default_rng(0).uniform(low, high, (6, 5)), np.full((10, 9), np.nan, np.float32)
    head[0, :2] = low, high
    values[INNER] = head
    filled = np.where(np.isnan(values), zero, values)
    image = open_image(nifti(np.expand_dims(values, plane)), "x.nii")
    np.testing.assert_array_equal(np.asarray(image), shown_nifti(nifti(np.expand_dims(filled, plane))))
    assert "NaN" in image.info["notes"][0]
    values[4, 4] = np.nan
    for bad in (values, np.full((9, 9), np.nan), np.where(np.isnan(values), np.inf, values)):
        with pytest.raises(Unreadable, match="finite"):
            shown_nifti(nifti(np.expand_dims(bad, plane)))
