"""DICOM slices against the formulas of PS3.3 C.11, and what is refused."""

from __future__ import annotations

import io
import re

import numpy as np
import pydicom
import pytest
from medical_files import PATIENT, dicom
from PIL import Image
from pydicom.encaps import encapsulate
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGExtended12Bit,
    JPEGLosslessSV1,
    RLELossless,
)

from mri_robust.core.errors import UserError
from mri_robust.data.formats.dicom import open_dicom
from mri_robust.data.formats.limits import Unreadable
from mri_robust.data.pixels import decode

VALUES = np.arange(-400, 400, dtype=np.int16).reshape(20, 40)
RGB = np.random.default_rng(0).integers(0, 256, (6, 5, 3), dtype=np.uint8)


def shown(data: bytes) -> np.ndarray:
    return np.asarray(open_dicom(data))


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


def test_the_first_of_several_windows_counts_linear_where_nothing_is_said_and_width_1_is_a_threshold() -> None:
    data = dicom(VALUES, WindowCenter=[10, 300], WindowWidth=[50, 4])
    np.testing.assert_allclose(shown(data), linear(VALUES, 10, 50), atol=0.5)
    threshold = dicom(VALUES, WindowCenter=0.5, WindowWidth=1)
    np.testing.assert_array_equal(shown(threshold), np.where(VALUES > 0, 255, 0))


@pytest.mark.parametrize("empty", [{}, {"WindowCenter": "", "WindowWidth": ""}])
def test_without_a_window_the_slices_own_range_is_black_to_white(empty: dict[str, str]) -> None:
    expected = (VALUES.astype(float) + 400) * 255 / 799
    np.testing.assert_allclose(shown(dicom(VALUES, **empty)), expected, atol=0.5)
    assert (shown(dicom(np.full((4, 4), 77, np.uint8))) == 0).all()


def test_monochrome1_is_the_inverse_after_the_window() -> None:
    window = {"WindowCenter": 40, "WindowWidth": 350}
    plain, inverse = (shown(dicom(VALUES, PhotometricInterpretation=f"MONOCHROME{kind}", **window)) for kind in (2, 1))
    assert (np.abs(255 - plain.astype(int) - inverse) <= 1).all()  # a half may be rounded either way
    assert inverse[0, 0] == 255


def test_bits_that_are_stored_in_more_are_those_of_the_high_bit() -> None:
    """12 bits in 16, of which the upper four hold something else."""
    values = np.arange(4096, dtype=np.uint16).reshape(64, 64)
    stored = {"BitsStored": 12, "HighBit": 11}
    found = shown(dicom(values | 0xA000, **stored))
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


@pytest.mark.filterwarnings("ignore:overflow")
def test_floats_are_stretched_and_what_is_not_finite_is_refused() -> None:
    values = np.linspace(-0.25, 0.75, 25, dtype=np.float32).reshape(5, 5)
    np.testing.assert_allclose(shown(dicom(values)), (values + 0.25) * 255, atol=0.51)
    for bad in (np.nan, np.inf):
        values[2, 2] = bad
        with pytest.raises(Unreadable, match="not finite"):
            open_dicom(dicom(values))
    with pytest.raises(Unreadable, match="not finite"):
        open_dicom(dicom(VALUES, RescaleSlope="1e308", RescaleIntercept="0"))


def test_colours_in_every_arrangement() -> None:
    np.testing.assert_array_equal(shown(dicom(RGB)), RGB)
    planes = np.ascontiguousarray(RGB.transpose(2, 0, 1)).tobytes()
    np.testing.assert_array_equal(shown(dicom(RGB, PlanarConfiguration=1, PixelData=planes)), RGB)
    deep = RGB.astype(np.uint16) * 257
    np.testing.assert_array_equal(shown(dicom(deep)), RGB)
    ycbcr = np.asarray(Image.fromarray(RGB).convert("YCbCr"))
    np.testing.assert_allclose(shown(dicom(ycbcr, PhotometricInterpretation="YBR_FULL")), RGB, atol=2)


def test_a_palette_is_looked_up() -> None:
    indices = np.arange(20, dtype=np.uint8).reshape(4, 5)
    tables = np.random.default_rng(1).integers(0, 2**16, (3, 20), dtype=np.uint16)
    palette = {}
    for colour, table in zip(("Red", "Green", "Blue"), tables, strict=True):
        palette[f"{colour}PaletteColorLookupTableDescriptor"] = [20, 0, 16]
        palette[f"{colour}PaletteColorLookupTableData"] = table.tobytes()
    found = shown(dicom(indices, PhotometricInterpretation="PALETTE COLOR", **palette))
    np.testing.assert_allclose(found, tables.T.reshape(4, 5, 3) / 257, atol=0.5)


@pytest.mark.parametrize("values", [VALUES, RGB])
def test_run_lengths_give_the_same_pixels(values: np.ndarray) -> None:
    file = pydicom.dcmread(io.BytesIO(dicom(values)))
    file.compress(RLELossless)
    buffer = io.BytesIO()
    file.save_as(buffer)
    np.testing.assert_array_equal(shown(buffer.getvalue()), shown(dicom(values)))


def test_jpeg_2000_gives_the_same_pixels() -> None:
    grey = np.random.default_rng(2).integers(0, 256, (32, 40), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(grey).save(buffer, format="JPEG2000", no_jp2=True)
    code = dicom(grey, JPEG2000Lossless, PixelData=encapsulate([buffer.getvalue()]))
    np.testing.assert_array_equal(shown(code), shown(dicom(grey)))


SMALL, TWO = np.zeros((4, 4), np.uint8), np.zeros((8, 4), np.uint8)
GOOD = dicom(VALUES)
REFUSED = {
    "volume": (dicom(TWO, Rows=4, NumberOfFrames=2), "a volume of 2 slices: export the slices that show"),
    "no image": (dicom(SMALL, PixelData=None), "without an image"),
    "codec": (dicom(SMALL, JPEGLosslessSV1, PixelData=encapsulate([b"x" * 64])), "JPEG Lossless, .* pylibjpeg"),
    "codec of 12 bits": (
        dicom(SMALL.astype(np.uint16), JPEGExtended12Bit, BitsStored=12, PixelData=encapsulate([b"x" * 64])),
        "damaged, or compressed as JPEG Extended, which needs pip install pylibjpeg",
    ),
    "video": (dicom(SMALL, pydicom.uid.MPEG2MPML, PixelData=encapsulate([b"x" * 64])), "save it uncompressed"),
    "deflated": (dicom(SMALL, DeflatedExplicitVRLittleEndian), "deflated as a whole"),
    "bomb": (dicom(SMALL, Rows=60000, Columns=60000), "too large: 60000 x 60000"),
    "cut short": (GOOD[:-200], "cut short or damaged"),
    "header cut short": (GOOD[:200], "without an image|damaged"),
    "no dicom": (b"\x89PNG\r\n\x1a\n" + bytes(500), "not a DICOM file"),
    "no width": (dicom(SMALL, WindowCenter=1, WindowWidth=0), "damaged"),
    "no rows": (dicom(SMALL, Rows=0), "damaged"),
    "hue": (dicom(RGB, PhotometricInterpretation="HSV"), "its colours"),
    "palette without one": (dicom(SMALL, PhotometricInterpretation="PALETTE COLOR"), "its colours"),
    "grey of three": (dicom(RGB, PhotometricInterpretation="MONOCHROME2"), "damaged"),
    "swollen code": (dicom(SMALL, RLELossless, PixelData=encapsulate([b"x" * 8000])), "damaged"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_slice_is_refused_without_a_word_of_the_patient(name: str) -> None:
    data, reason = REFUSED[name]
    with pytest.raises(Unreadable, match=reason) as caught:
        decode(data, 8, "grey", "x.dcm")
    assert PATIENT not in str(caught.value)
    assert len(str(caught.value)) < 200


def test_nothing_that_names_a_patient_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[set[str]] = []
    kept = pydicom.dcmread

    def listen(*arguments: object, **options: object) -> pydicom.FileDataset:
        found = kept(*arguments, **options)
        read.append({element.keyword for element in found})
        return found

    monkeypatch.setattr(pydicom, "dcmread", listen)
    open_dicom(GOOD)
    assert "PixelData" in read[0]
    assert "PatientName" not in read[0]


def test_a_name_without_a_suffix_is_asked_whether_it_is_dicom() -> None:
    assert decode(GOOD, 8, "grey", "IM0001")[1] == (40, 20)
    np.testing.assert_array_equal(decode(GOOD, 8, "rgb")[0], decode(GOOD, 8, "rgb", "x.DCM")[0])


def test_without_pydicom_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pydicom.pixels", None)
    with pytest.raises(UserError, match=re.escape("pip install 'mri-robust[medical]'")):
        decode(GOOD, 8, "grey", "x.dcm")
