"""DICOM slices against PS3.3 C.11, with headers as they come; tests/fuzz has what is refused."""

import io
import struct
from pathlib import Path

import numpy as np
import pydicom
import pydicom.data
import pytest
from medical_files import dicom
from PIL import Image
from pydicom import uid
from pydicom.encaps import encapsulate

from mri_robust.data.decode import DAMAGED, Unreadable, decode, is_image, open_image


def shown(data: bytes) -> np.ndarray:
    return np.asarray(open_image(data, "x.dcm"))


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


NO_WINDOW = [("", ""), (None, 9), (0, 0), (40, -350), ("nan", 9), (5, "inf"), ("wide", "narrow"), ("", 9)]


@pytest.mark.parametrize(("centre", "width"), NO_WINDOW)
def test_without_a_window_that_can_be_used_the_slices_own_range_is_black_to_white(centre, width) -> None:
    expected = (VALUES.astype(float) + 400) * 255 / 799
    data = dicom(VALUES, WindowCenter=123, WindowWidth=456)  # texts that pydicom would not write are put in below
    data = element(element(data, "WindowCenter", centre), "WindowWidth", width)
    image = open_image(data, "x.dcm")
    np.testing.assert_allclose(np.asarray(image), expected, atol=0.5)
    assert bool(image.info["notes"]) == ((centre, width) not in NO_WINDOW[:2])
    assert all("window" in note for note in image.info["notes"])
    floats = np.linspace(-0.25, 0.75, 25, dtype=np.float32).reshape(5, 5)
    np.testing.assert_allclose(shown(dicom(floats)), (floats + 0.25) * 255, atol=0.51)
    assert (shown(dicom(np.full((4, 4), 77, np.uint8))) == 0).all()


def element(data: bytes, name: str, value: object) -> bytes:
    """A file in which a text stands in an element that has another, or the element is gone."""
    tag = struct.pack("<HH", *divmod(pydicom.datadict.tag_for_keyword(name), 2**16)) + b"DS"
    place = data.index(tag)
    after = place + 8 + struct.unpack_from("<H", data, place + 6)[0]
    text = str(value).encode() + b" " * (len(str(value)) % 2)
    return data[:place] + (b"" if value is None else tag + struct.pack("<H", len(text)) + text) + data[after:]


@pytest.mark.parametrize("texts", [(" 10 ", "2.50"), ("10,0", "2,5"), ("1e1 ", "+2.5"), ("10\\20", "2.5\\9\\1")])
def test_numbers_as_people_write_them(texts: tuple[str, str]) -> None:
    data = dicom(VALUES, WindowCenter=123, WindowWidth=50, RescaleSlope=4)
    data = element(element(data, "WindowCenter", texts[0]), "RescaleSlope", texts[1])
    np.testing.assert_allclose(shown(data), linear(VALUES * 2.5, 10, 50), atol=0.5)


@pytest.mark.parametrize("width", [0.8, 0.25, 1e-3])
def test_a_linear_window_narrower_than_1_is_exact_and_a_slope_of_0_is_none(width: float) -> None:
    image = open_image(dicom(VALUES, WindowCenter=0.5, WindowWidth=width, RescaleSlope=1 / 800), "x.dcm")
    np.testing.assert_allclose(np.asarray(image), linear_exact(VALUES / 800, 0.5, width), atol=0.51)
    assert "LINEAR_EXACT" in image.info["notes"][0]
    flat = open_image(dicom(VALUES, RescaleSlope=0, RescaleIntercept=7), "x.dcm")
    assert (np.ptp(np.asarray(flat)), "RescaleSlope" in flat.info["notes"][0]) == (255, True)


def groups(**elements: object) -> list[pydicom.Dataset]:
    """A functional group of one frame: the window's elements in one sequence, the rescale's in the other."""
    group = pydicom.Dataset()
    for name, words in (("FrameVOILUTSequence", ("Window", "VOI")), ("PixelValueTransformationSequence", ("Rescale",))):
        item = pydicom.Dataset()
        for keyword, value in elements.items():
            if keyword.startswith(words):
                setattr(item, keyword, value)
        if len(item):
            setattr(group, name, [item])
    return [group]


@pytest.mark.parametrize("formula", [linear, linear_exact, sigmoid])
@pytest.mark.parametrize("numbers", [(1, 0, 40, 350), (2.5, -100, 0, 90), (0.5, 3, -50, 20)])
def test_an_enhanced_object_has_its_window_and_rescale_in_functional_groups(formula, numbers) -> None:
    slope, intercept, centre, width = numbers
    window = {"WindowCenter": [centre, 1], "WindowWidth": [width, 2], "VOILUTFunction": formula.__name__.upper()}
    rescale = {"RescaleSlope": slope, "RescaleIntercept": intercept}
    expected, other = formula(VALUES * slope + intercept, centre, width), {"WindowCenter": 9, "WindowWidth": 7}
    shared, frame = "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"
    for spread in (
        {shared: groups(**window, **rescale)},
        {frame: groups(**window, **rescale), "NumberOfFrames": 1},
        {frame: groups(**window), shared: groups(**rescale)},
        {frame: groups(**window), shared: groups(**other, **rescale), "RescaleSlope": 77, **other},
    ):
        np.testing.assert_allclose(shown(dicom(VALUES, **spread)), expected, atol=0.5 + 1e-9)


PADDINGS = [("i2", -2000, None), ("i2", 63536, None), ("u1", 255, None), ("f4", -1e6, None)]
PADDINGS += [("u2", 0, 9), ("u2", 65535, 65000)]


@pytest.mark.parametrize(("dtype", "padding", "limit"), PADDINGS)
def test_padding_is_no_part_of_the_range_and_black(dtype: str, padding: float, limit: int | None) -> None:
    values = np.arange(100, 200, dtype=dtype).reshape(10, 10)
    kind, whole = ("Float", float) if dtype == "f4" else ("", lambda number: np.array(number).astype(dtype).item())
    outside = np.zeros((10, 10), bool)
    outside[:2], outside[3, 3] = True, True
    values[outside] = whole(padding)
    values[0, 0] = whole(padding) if limit is None else limit
    elements = {f"{kind}PixelPaddingValue": padding, f"{kind}PixelPaddingRangeLimit": limit}
    inside = values[~outside].astype(float)
    expected = (inside - inside.min()) * 255 / np.ptp(inside)
    for photometric, wanted in (("MONOCHROME2", expected), ("MONOCHROME1", 255 - expected)):
        found = shown(padded(values, PhotometricInterpretation=photometric, **elements))
        np.testing.assert_allclose(found[~outside], wanted, atol=0.51)
        assert (found[outside] == 0).all()


def padded(values: np.ndarray, **elements: object) -> bytes:
    """A slice whose padding is written without a sign where its number has none, as some writers do."""
    file = pydicom.dcmread(io.BytesIO(dicom(values, **{k: v for k, v in elements.items() if "Padding" not in k})))
    for name, value in elements.items():
        if "Padding" in name and value is not None:
            vr = "FL" if name.startswith("Float") else "SS" if value < 0 else "US"
            file.add_new(name, vr, value)
    buffer = io.BytesIO()
    file.save_as(buffer)
    return buffer.getvalue()


DERIVED = ["PhotometricInterpretation", "SamplesPerPixel", "BitsAllocated", "BitsStored", "HighBit"]
DERIVED += ["PixelRepresentation"]


@pytest.mark.parametrize("values", [VALUES - VALUES.min(), RGB, RGB[..., 0]])
@pytest.mark.parametrize("gone", [*([each] for each in DERIVED), [*DERIVED[1:], "PlanarConfiguration"]])
def test_elements_that_the_others_say_may_be_missing(values: np.ndarray, gone: list[str]) -> None:
    data = dicom(values.astype(values.dtype.str.replace("i", "u")), **dict.fromkeys(gone))
    if values.ndim == 3 and gone == DERIVED[:1]:
        with pytest.raises(Unreadable, match="PhotometricInterpretation"):
            shown(data)
    else:
        np.testing.assert_array_equal(shown(data), shown(dicom(values)))


@pytest.mark.parametrize(("implicit", "little"), [(True, True), (False, True), (False, False)])
@pytest.mark.parametrize("meta", ["none", "no preamble", "no syntax"])
def test_a_file_without_a_preamble_meta_or_syntax_is_read(implicit: bool, little: bool, meta: str) -> None:
    values, buffer = (VALUES if little else VALUES.byteswap()), io.BytesIO()
    whole, bare = dicom(VALUES, PixelData=values.tobytes(), SOPClassUID=uid.MRImageStorage), pydicom.Dataset()
    bare.update(pydicom.dcmread(io.BytesIO(whole)))
    pydicom.dcmwrite(buffer, bare, implicit_vr=implicit, little_endian=little, enforce_file_format=False)
    group = pydicom.dataset.FileMetaDataset()
    group.ImplementationClassUID, head = "1.2.3", pydicom.filebase.DicomBytesIO()
    head.is_little_endian, head.is_implicit_VR = True, False
    pydicom.filewriter.write_file_meta_info(head, group, enforce_standard=False)
    start = {"none": b"", "no preamble": head.getvalue(), "no syntax": bytes(128) + b"DICM" + head.getvalue()}[meta]
    data = start + buffer.getvalue()
    np.testing.assert_array_equal(shown(data), shown(dicom(VALUES)))
    if little:
        assert is_image("IM0001", lambda name: data[:132])


@pytest.mark.filterwarnings("ignore")
def test_every_file_that_pydicom_tests_with_is_read_or_refused_in_one_true_line() -> None:
    files = [path for path in map(Path, pydicom.data.get_testdata_files()) if path.is_file()]
    reasons = {}
    for path in files:
        try:
            image = open_image(path.read_bytes(), "x.dcm")
            assert min(image.size) > 0
        except Unreadable as error:
            reasons[path.name] = str(error)
    assert len(reasons) < len(files) - 60
    assert all(len(line.splitlines()) == 1 and len(line) < 200 for line in reasons.values())
    assert [name for name, line in reasons.items() if line == DAMAGED] in (["MR_truncated.dcm"], [])


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
