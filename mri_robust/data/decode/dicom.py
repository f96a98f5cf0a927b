"""One DICOM slice as a screen shows it.

The grey pipeline of PS3.3 C.11: Modality LUT or rescale, VOI LUT or the first window, then MONOCHROME1 inverted. Where
the file names no window that can be used, the slice's own least and greatest value are black and white; pixel padding
(C.7.5.1.1.2) is no part of that range, and black. Window and rescale of an enhanced object stand in its functional
groups (C.7.6.16). Of the header nothing is read but what decides the pixels: no name, date or other fact of a patient,
but for the PatientID where `patient_of` is asked for it. What is written in the pixels stays there.
"""

import io
from typing import Any

import numpy as np
from PIL import Image

from mri_robust.core.packages import import_extra
from mri_robust.data.decode import DAMAGED, MAGIC_END, MAX_SLICE, VOLUME, Unreadable, finite, has_preamble, stretched

_COLOUR = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")
_CODECS = "pip install pylibjpeg pylibjpeg-libjpeg pylibjpeg-openjpeg"
_DEFLATED = "1.2.840.10008.1.2.1.99"
_PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
_GROUPS = ("PerFrameFunctionalGroupsSequence", "SharedFunctionalGroupsSequence")
_TAGS = [
    *("SamplesPerPixel", "PhotometricInterpretation", "PlanarConfiguration", "NumberOfFrames", "Rows", "Columns"),
    *("BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", *_PIXELS),
    *("RescaleSlope", "RescaleIntercept", "ModalityLUTSequence", *_GROUPS),
    *("WindowCenter", "WindowWidth", "VOILUTFunction", "VOILUTSequence"),
    *(f"{kind}PixelPadding{part}" for kind in ("", "Float", "DoubleFloat") for part in ("Value", "RangeLimit")),
    *(f"{hue}PaletteColorLookupTable{part}" for hue in ("Red", "Green", "Blue") for part in ("Descriptor", "Data")),
]


def import_pydicom() -> Any:
    """pydicom with its pixel functions, or `UserError` where it is not installed."""
    import_extra("pydicom.pixels", "medical", "a DICOM file")
    return import_extra("pydicom", "medical", "a DICOM file")


def open_dicom(data: bytes) -> Image.Image:
    """The slice in a DICOM file, mode `L` or `RGB`, as its rows and columns lie there; errors as of `open_image`.

    What of the header was not used stands in `info["notes"]`, a list of short texts.
    """
    values, notes = shown_values(data)
    image = Image.fromarray(np.rint(values).clip(0, 255).astype(np.uint8))
    image.info["notes"] = notes
    return image


def shown_values(data: bytes) -> tuple[np.ndarray, list[str]]:
    """What `open_dicom` rounds to 8 bits, float64 [H, W] or [H, W, 3] about 0 to 255, and its notes."""
    pydicom, notes = import_pydicom(), list[str]()
    header = _header(pydicom, data)
    _complete(header, notes)
    kind = header.PhotometricInterpretation
    grey, palette = kind in ("MONOCHROME1", "MONOCHROME2"), kind == "PALETTE COLOR"
    if not grey and kind not in _COLOUR and not (palette and "RedPaletteColorLookupTableData" in header):
        raise Unreadable("its colours are stored in a way that is not read here")
    if (header.SamplesPerPixel == 3) != (kind in _COLOUR):
        raise Unreadable(f"its header contradicts itself: {kind} with {header.SamplesPerPixel} samples per pixel")
    values = _stored(pydicom, header)
    if grey:
        values = _shown(pydicom, header, values, kind == "MONOCHROME1", notes)
    elif palette:
        values = pydicom.pixels.apply_color_lut(values, header)
        values = values * (255 / np.iinfo(values.dtype).max)
    else:
        values = values * (255 / (2**header.BitsStored - 1))
    if values.ndim != (2 if grey else 3):
        raise Unreadable(DAMAGED)
    return values, notes


def patient_of(data: bytes) -> str:
    """The PatientID in the header of a DICOM file, empty where it has none; `Unreadable` where it is no slice."""
    return str(_header(import_pydicom(), data, [*_TAGS, "PatientID"]).get("PatientID") or "").strip()


def _header(pydicom: Any, data: bytes, tags: list[str] = _TAGS) -> Any:
    """Some elements of the header; what is no slice, or too large, is refused before anything is unpacked."""
    whole = has_preamble(data)
    if whole or data.startswith(b"\x02\0"):
        # pydicom would unpack a deflated file whole, however much that is.
        group = io.BytesIO(data[MAGIC_END:] if whole else data)
        meta = pydicom.filereader.read_dataset(group, False, True, stop_when=lambda tag, vr, length: tag >> 16 != 2)
        if meta.get("TransferSyntaxUID") == _DEFLATED:
            raise Unreadable("deflated as a whole: save it uncompressed")
    try:
        header = pydicom.dcmread(io.BytesIO(data), specific_tags=tags, force=True)
    except Exception as error:
        raise Unreadable(DAMAGED if whole else "not a DICOM file, or a damaged one without a preamble") from error
    pixels = next((name for name in _PIXELS if name in header), None)
    if pixels is None:
        raise Unreadable("a DICOM file without an image" if whole else "not a DICOM file with an image")
    frames = _number(header, "NumberOfFrames", 1)
    if frames is None:
        raise Unreadable("its NumberOfFrames is no number")
    if frames > 1:
        raise Unreadable(VOLUME.format(f"{frames:.0f}"))
    if "TransferSyntaxUID" not in header.file_meta:
        if header[pixels].is_undefined_length:
            raise Unreadable("compressed, and its header does not say how (no TransferSyntaxUID)")
        implicit, little = header.original_encoding
        syntaxes = (pydicom.uid.ExplicitVRLittleEndian, pydicom.uid.ImplicitVRLittleEndian)
        header.file_meta.TransferSyntaxUID = syntaxes[implicit] if little else pydicom.uid.ExplicitVRBigEndian
    return header


def _complete(header: Any, notes: list[str]) -> None:
    """Put in what writers leave out and the rest of the header says; `Unreadable` where it does not."""
    for name in ("Rows", "Columns"):
        if not header.get(name):
            raise Unreadable(f"without a size: {name} is {'0' if header.get(name) == 0 else 'missing'}")
    pixels, data = int(header.Rows) * int(header.Columns), header[next(name for name in _PIXELS if name in header)]
    if pixels > MAX_SLICE:
        raise Unreadable(f"too large: {header.Columns} x {header.Rows} pixels")
    kind = str(header.get("PhotometricInterpretation") or "").strip().upper()
    samples = header.get("SamplesPerPixel")
    if not kind and (samples or 1) != 1:
        raise Unreadable(f"its header does not say what its {samples} samples are (no PhotometricInterpretation)")
    header.PhotometricInterpretation = kind or "MONOCHROME2"
    header.SamplesPerPixel = samples or (3 if kind in _COLOUR else 1)
    compressed = header.file_meta.TransferSyntaxUID.is_compressed
    if "BitsAllocated" not in header:
        header.BitsAllocated = 8 * (len(data.value) // (pixels * header.SamplesPerPixel))
        if compressed or header.BitsAllocated not in (8, 16, 32, 64):
            raise Unreadable("its header does not say how many bits a pixel has (no BitsAllocated)")
    if not header.BitsAllocated:
        raise Unreadable("its header says that a pixel has 0 bits")
    # Of a run-length or JPEG code that is longer than the pixels, the decoder would unpack all.
    if compressed and len(data.value) > 4096 + 2 * pixels * header.SamplesPerPixel * header.BitsAllocated // 8:
        raise Unreadable(DAMAGED)
    header.BitsStored = header.get("BitsStored") or header.BitsAllocated
    header.HighBit = header.BitsStored - 1 if header.get("HighBit") is None else header.HighBit
    header.PlanarConfiguration = header.get("PlanarConfiguration") or 0
    if header.get("PixelRepresentation") is None:
        header.PixelRepresentation = 0
        if data.keyword == "PixelData" and header.BitsAllocated > 8:
            notes.append("the header does not say whether pixels have a sign: taken as without")


def _stored(pydicom: Any, header: Any) -> np.ndarray:
    """The pixels as stored, [H, W] or [H, W, 3] (RGB)."""
    syntax, data = header.file_meta.TransferSyntaxUID, header[next(name for name in _PIXELS if name in header)]
    try:
        return pydicom.pixels.pixel_array(header)
    except RuntimeError as error:  # also NotImplementedError: no decoder is installed, or none of those takes it
        if not syntax.is_compressed or isinstance(error, NotImplementedError):
            packed = "compressed" if syntax.is_compressed else "stored"
            raise Unreadable(f"{packed} in a way that is not read here: save it uncompressed") from error
        able = pydicom.pixels.get_decoder(syntax).is_available and "does not support" not in str(error)
        damaged = "damaged, or " if able else ""
        raise Unreadable(f"{damaged}compressed as {syntax.name.partition(' (')[0]}, which needs {_CODECS}") from error
    except Exception as error:
        samples = 2 if header.PhotometricInterpretation == "YBR_FULL_422" else header.SamplesPerPixel
        needed = int(header.Rows) * int(header.Columns) * samples * header.BitsAllocated // 8
        whole = not syntax.is_compressed and len(data.value) >= needed
        raise Unreadable("its header contradicts itself on how the pixels lie" if whole else DAMAGED) from error


def _shown(pydicom: Any, header: Any, stored: np.ndarray, inverted: bool, notes: list[str]) -> np.ndarray:
    """Stored greys, [H, W], through the modality's and the screen's transformation, to 0-255."""
    rescale, window = (_place(header, name) for name in ("PixelValueTransformation", "FrameVOILUT"))
    if "ModalityLUTSequence" in header:
        values = finite(np.asarray(pydicom.pixels.apply_modality_lut(stored, header), np.float64))
    else:
        slope, intercept = _number(rescale, "RescaleSlope", 1.0), _number(rescale, "RescaleIntercept", 0.0)
        if slope is None or intercept is None:
            raise Unreadable("its RescaleSlope or RescaleIntercept is no number")
        if slope == 0:
            notes.append("a RescaleSlope of 0 is not used")
        values = finite(stored.astype(np.float64) * (slope or 1.0) + (intercept if slope else 0.0))
    padding = _padding(header, stored)
    if header.get("VOILUTSequence"):
        bits = header.VOILUTSequence[0].LUTDescriptor[2]
        shown = pydicom.pixels.apply_voi(np.rint(values).astype(np.int64), header) * (255 / (2**bits - 1))
    else:
        shown = _windowed(window, values, notes)
        if shown is None:
            shown = np.zeros(values.shape)
            if not padding.all():
                shown[~padding] = stretched(values[~padding])
    return np.where(padding, 0, 255 - shown if inverted else shown)


def _place(header: Any, name: str) -> Any:
    """Where these elements stand: in the functional groups of the frame, in those that frames share, or at the root."""
    groups = (header.get(each) for each in _GROUPS)
    inner = (group[0].get(f"{name}Sequence") for group in groups if group)
    return next((each[0] for each in inner if each), header)


def _number(place: Any, name: str, missing: float | None = None) -> float | None:
    """The first number of an element, with a decimal point or comma; `missing` where it is empty, None where none."""
    value = getattr(place.get_item(name), "value", None)
    text = value.decode("ascii", "replace") if isinstance(value, bytes) else str("" if value is None else value)
    text = text.strip("[] \0").replace("\\", " ").replace(", ", " ")
    if not text:
        return missing
    try:
        return float(text.split()[0].strip("'").replace(",", "."))
    except ValueError:
        return None


def _padding(header: Any, stored: np.ndarray) -> np.ndarray:
    """Which stored pixels are padding, bool [H, W]: those of the padding value, or up to its limit."""
    ends: list[Any] = []
    for part in ("Value", "RangeLimit"):
        names = (f"{kind}PixelPadding{part}" for kind in ("", "Float", "DoubleFloat"))
        end = next((header[name].value for name in names if name in header), None)
        if isinstance(end, int) and stored.dtype.kind in "iu":  # writers take a sign for none, or none for one
            around, least = 1 << header.BitsAllocated, int(np.iinfo(stored.dtype).min)
            end = (end - least) % around + least
        ends.append(end)
    if not isinstance(ends[0], int | float):
        return np.zeros(stored.shape, bool)
    low, high = sorted((ends[0], ends[1] if isinstance(ends[1], int | float) else ends[0]))
    return (stored >= low) & (stored <= high)


def _windowed(place: Any, values: np.ndarray, notes: list[str]) -> np.ndarray | None:
    """Values of the modality, [H, W], through the first window (C.11.2.1.2) to 0-255; None where none can be used."""
    if not (place.get_item("WindowCenter") and place.get_item("WindowWidth")):
        return None
    centre, width = (_number(place, name, np.nan) for name in ("WindowCenter", "WindowWidth"))
    if centre is None or width is None or not np.isfinite(centre) or not 0 < width < np.inf:
        if not (centre != centre and width != width):  # both empty: no window
            notes.append("a window without a centre or a width above 0 is not used")
        return None
    function = str(place.get("VOILUTFunction") or "LINEAR").strip().upper()
    if function == "SIGMOID":
        return 255 / (1 + np.exp(np.clip(-4 * (values - centre) / width, -700, 700)))
    if function == "LINEAR_EXACT" or width < 1:
        if function != "LINEAR_EXACT":
            notes.append("a window narrower than 1 is taken as LINEAR_EXACT")
        return np.clip((values - centre) / width + 0.5, 0, 1) * 255
    if function != "LINEAR":
        notes.append("a window of an unknown VOILUTFunction is taken as LINEAR")
    if width == 1:
        return np.where(values > centre - 0.5, 255.0, 0.0)
    return np.clip((values - (centre - 0.5)) / (width - 1) + 0.5, 0, 1) * 255
