"""DICOM slices against PS3.3 C.11, NIfTI slices as radiologists look at them; tests/fuzz has what is refused."""

import gzip
import io
import itertools
import struct
import sys
import tracemalloc

import nibabel
import numpy as np
import pydicom
import pytest
from medical_files import dicom, nifti
from PIL import Image
from pydicom import uid
from pydicom.encaps import encapsulate

from mri_robust.core.errors import UserError
from mri_robust.data.decode import Unreadable, decode, open_image


def shown(data: bytes) -> np.ndarray:
    return np.asarray(open_image(data, "x.dcm"))


def shown_nifti(data: bytes) -> np.ndarray:
    return np.asarray(open_image(data, "x.nii"))


VALUES = np.arange(-400, 400, dtype=np.int16).reshape(20, 40)
RGB = np.random.default_rng(0).integers(0, 256, (6, 5, 3), dtype=np.uint8)


def linear(x: np.ndarray, centre: float, width: float) -> np.ndarray:
    """C.11.2.1.2.1, with an output range of 0 to 255."""
    y = ((x - (centre - 0.5)) / (width - 1) + 0.5) * 255
    y = np.where(x <= centre - 0.5 - (width - 1) / 2, 0, y)
    return np.where(x > centre - 0.5 + (width - 1) / 2, 255, y)


def linear_exact(x: np.ndarray, centre: float, width: float) -> np.ndarray:
    """C.11.2.1.3.2."""
    return np.clip((x - centre) / width + 0.5, 0, 1) * 255


def sigmoid(x: np.ndarray, centre: float, width: float) -> np.ndarray:
    """C.11.2.1.3.1."""
    return 255 / (1 + np.exp(-4 * (x - centre) / width))


@pytest.mark.parametrize("formula", [linear, linear_exact, sigmoid])
@pytest.mark.parametrize(("slope", "intercept"), [(1, 0), (2.5, -1024), (0.125, 3)])
@pytest.mark.parametrize(("centre", "width"), [(40, 350), (0, 100), (-900, 20)])
def test_a_window_is_the_standards_formula(formula, slope, intercept, centre, width) -> None:
    rescaled = {"RescaleSlope": slope, "RescaleIntercept": intercept}
    data = dicom(VALUES, WindowCenter=centre, WindowWidth=width, VOILUTFunction=formula.__name__.upper(), **rescaled)
    expected = formula(VALUES * slope + intercept, centre, width)
    np.testing.assert_allclose(shown(data), expected, atol=0.5 + 1e-9)


def test_the_first_window_counts_linear_where_nothing_is_said_and_width_1_is_a_threshold() -> None:
    data = dicom(VALUES, WindowCenter=[10, 300], WindowWidth=[50, 4])
    np.testing.assert_allclose(shown(data), linear(VALUES, 10, 50), atol=0.5)
    threshold = dicom(VALUES, WindowCenter=0.5, WindowWidth=1)
    np.testing.assert_array_equal(shown(threshold), np.where(VALUES > 0, 255, 0))


@pytest.mark.parametrize("empty", [{}, {"WindowCenter": "", "WindowWidth": ""}])
def test_without_a_window_the_slices_own_range_is_black_to_white(empty: dict[str, str]) -> None:
    expected = (VALUES.astype(float) + 400) * 255 / 799
    np.testing.assert_allclose(shown(dicom(VALUES, **empty)), expected, atol=0.5)
    assert (shown(dicom(np.full((4, 4), 77, np.uint8))) == 0).all()
    floats = np.linspace(-0.25, 0.75, 25, dtype=np.float32).reshape(5, 5)
    np.testing.assert_allclose(shown(dicom(floats)), (floats + 0.25) * 255, atol=0.51)


def test_monochrome1_is_the_inverse_after_the_window() -> None:
    window = {"WindowCenter": 40, "WindowWidth": 350}
    plain, inverse = (shown(dicom(VALUES, PhotometricInterpretation=f"MONOCHROME{kind}", **window)) for kind in (2, 1))
    assert (np.abs(255 - plain.astype(int) - inverse) <= 1).all()  # a half may be rounded either way
    assert inverse[0, 0] == 255


def test_bits_that_are_stored_in_more_are_those_of_the_high_bit() -> None:
    values = np.arange(4096, dtype=np.uint16).reshape(64, 64)  # 12 bits in 16; the upper four hold something else
    found = shown(dicom(values | 0xA000, BitsStored=12, HighBit=11))
    np.testing.assert_allclose(found, values.astype(float) * 255 / 4095, atol=0.5)


def test_a_modality_lut_replaces_the_rescale_and_a_voi_lut_the_window() -> None:
    values = np.arange(16, dtype=np.uint8).reshape(4, 4)
    modality, voi = pydicom.Dataset(), pydicom.Dataset()
    squares = np.arange(16, dtype=np.uint16) ** 2
    modality.LUTDescriptor, modality.ModalityLUTType = [16, 0, 16], "US"
    modality.add_new("LUTData", "US", squares.tolist())
    through = shown(dicom(values, ModalityLUTSequence=[modality]))
    np.testing.assert_allclose(through, (squares / 225 * 255).reshape(4, 4), atol=0.5)
    down = (4095 - 200 * np.arange(16)).astype(np.uint16)
    voi.LUTDescriptor = [16, 0, 12]
    voi.add_new("LUTData", "US", down.tolist())
    through = shown(dicom(values, VOILUTSequence=[voi], WindowCenter=1, WindowWidth=2))
    np.testing.assert_allclose(through, (down / 4095 * 255).reshape(4, 4), atol=0.5)


def test_colours_in_every_arrangement() -> None:
    planes = np.ascontiguousarray(RGB.transpose(2, 0, 1)).tobytes()
    for data in (dicom(RGB), dicom(RGB, PlanarConfiguration=1, PixelData=planes), dicom(RGB.astype(np.uint16) * 257)):
        np.testing.assert_array_equal(shown(data), RGB)
    ycbcr = np.asarray(Image.fromarray(RGB).convert("YCbCr"))
    np.testing.assert_allclose(shown(dicom(ycbcr, PhotometricInterpretation="YBR_FULL")), RGB, atol=2)
    indices, tables = np.arange(20, dtype=np.uint8).reshape(4, 5), np.random.default_rng(1).integers(0, 2**16, (3, 20))
    palette = {}
    for colour, table in zip(("Red", "Green", "Blue"), tables, strict=True):
        palette[f"{colour}PaletteColorLookupTableDescriptor"] = [20, 0, 16]
        palette[f"{colour}PaletteColorLookupTableData"] = table.astype(np.uint16).tobytes()
    found = shown(dicom(indices, PhotometricInterpretation="PALETTE COLOR", **palette))
    np.testing.assert_allclose(found, tables.T.reshape(4, 5, 3) / 257, atol=0.5)


@pytest.mark.parametrize("values", [VALUES, RGB])
def test_compressed_pixels_are_the_same(values: np.ndarray) -> None:
    file, buffer = pydicom.dcmread(io.BytesIO(dicom(values))), io.BytesIO()
    file.compress(uid.RLELossless)
    file.save_as(buffer)
    np.testing.assert_array_equal(shown(buffer.getvalue()), shown(dicom(values)))
    grey, code = RGB[..., 0].repeat(8, 0).repeat(8, 1), io.BytesIO()
    Image.fromarray(grey).save(code, format="JPEG2000", no_jp2=True)
    compressed = dicom(grey, uid.JPEG2000Lossless, PixelData=encapsulate([code.getvalue()]))
    np.testing.assert_array_equal(shown(compressed), shown(dicom(grey)))


def test_nothing_that_names_a_patient_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[set[str]] = []
    kept = pydicom.dcmread

    def listen(*arguments: object, **options: object) -> pydicom.FileDataset:
        found = kept(*arguments, **options)
        read.append({element.keyword for element in found})
        return found

    monkeypatch.setattr(pydicom, "dcmread", listen)
    assert decode(dicom(VALUES), 8, "grey", "IM0001")[1] == (40, 20)  # a name that says nothing: its first bytes do
    assert "PixelData" in read[0]
    assert not {"PatientName", "PatientID", "StudyDate"} & read[0]


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
