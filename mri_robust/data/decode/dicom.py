"""One DICOM slice as a screen shows it.

The grey pipeline of PS3.3 C.11: Modality LUT or rescale, VOI LUT or the first window, then MONOCHROME1 inverted. Where
the file names no window, the slice's own least and greatest value are black and white. Of the header nothing is read
but what decides the pixels: no name, date or other fact of a patient. What is written in the pixels stays there.
"""

import io
from typing import Any

import numpy as np
from PIL import Image

from mri_robust.core.packages import import_extra
from mri_robust.data.decode import DAMAGED, MAGIC_END, MAX_SLICE, VOLUME, Unreadable, finite, is_dicom, stretched

_COLOUR = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")
_CODECS = "pip install pylibjpeg pylibjpeg-libjpeg pylibjpeg-openjpeg"
_DEFLATED = "1.2.840.10008.1.2.1.99"
_PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
_TAGS = [
    *("SamplesPerPixel", "PhotometricInterpretation", "PlanarConfiguration", "NumberOfFrames", "Rows", "Columns"),
    *("BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", *_PIXELS),
    *("RescaleSlope", "RescaleIntercept", "ModalityLUTSequence"),
    *("WindowCenter", "WindowWidth", "VOILUTFunction", "VOILUTSequence"),
    *(f"{hue}PaletteColorLookupTable{part}" for hue in ("Red", "Green", "Blue") for part in ("Descriptor", "Data")),
]


def import_pydicom() -> Any:
    """pydicom with its pixel functions, or `UserError` where it is not installed."""
    import_extra("pydicom.pixels", "medical", "a DICOM file")
    return import_extra("pydicom", "medical", "a DICOM file")


def open_dicom(data: bytes) -> Image.Image:
    """The slice in a DICOM file, mode `L` or `RGB`, as its rows and columns lie there; errors as of `open_image`."""
    pydicom = import_pydicom()
    header = _header(pydicom, data)
    kind = header.PhotometricInterpretation
    grey, palette = kind in ("MONOCHROME1", "MONOCHROME2"), kind == "PALETTE COLOR"
    if not grey and kind not in _COLOUR and not (palette and "RedPaletteColorLookupTableData" in header):
        raise Unreadable("its colours are stored in a way that is not read here")
    values = _stored(pydicom, header)
    if grey:
        modality = pydicom.pixels.apply_modality_lut(values, header)
        values = _windowed(pydicom, header, finite(np.asarray(modality, np.float64)))
        values = 255 - values if kind == "MONOCHROME1" else values
    elif palette:
        values = pydicom.pixels.apply_color_lut(values, header)
        values = values * (255 / np.iinfo(values.dtype).max)
    else:
        values = values * (255 / (2**header.BitsStored - 1))
    if values.ndim != (2 if grey else 3):
        raise Unreadable(DAMAGED)
    return Image.fromarray(np.rint(values).clip(0, 255).astype(np.uint8))


def _header(pydicom: Any, data: bytes) -> Any:
    """The elements that decide the pixels; what is no slice, or too large, is refused before anything is unpacked."""
    if is_dicom(data):
        # pydicom would unpack a deflated file whole, however much that is.
        group = io.BytesIO(data[MAGIC_END:])
        meta = pydicom.filereader.read_dataset(group, False, True, stop_when=lambda tag, vr, length: tag >> 16 != 2)
        if meta.get("TransferSyntaxUID") == _DEFLATED:
            raise Unreadable("deflated as a whole: save it uncompressed")
    try:
        header = pydicom.dcmread(io.BytesIO(data), specific_tags=_TAGS)
    except pydicom.errors.InvalidDicomError as error:
        raise Unreadable("not a DICOM file") from error
    if not any(name in header for name in _PIXELS):
        raise Unreadable("a DICOM file without an image")
    frames = int(header.get("NumberOfFrames") or 1)
    if frames > 1:
        raise Unreadable(VOLUME.format(frames))
    pixels = int(header.Rows) * int(header.Columns)
    if pixels > MAX_SLICE:
        raise Unreadable(f"too large: {header.Columns} x {header.Rows} pixels")
    # Of a run-length or JPEG code that is longer than the pixels, the decoder would unpack all.
    most = 4096 + 2 * pixels * header.SamplesPerPixel * header.BitsAllocated // 8
    if header.file_meta.TransferSyntaxUID.is_compressed and len(header.PixelData) > most:
        raise Unreadable(DAMAGED)
    return header


def _stored(pydicom: Any, header: Any) -> np.ndarray:
    """The pixels as stored, [H, W] or [H, W, 3] (RGB)."""
    syntax = header.file_meta.TransferSyntaxUID
    try:
        return pydicom.pixels.pixel_array(header)
    except NotImplementedError as error:
        raise Unreadable("compressed in a way that is not read here: save it uncompressed") from error
    except RuntimeError as error:
        # No decoder is installed, or none of those that are takes it.
        damaged = "damaged, or " if pydicom.pixels.get_decoder(syntax).is_available else ""
        raise Unreadable(f"{damaged}compressed as {syntax.name.partition(' (')[0]}, which needs {_CODECS}") from error


def _windowed(pydicom: Any, header: Any, values: np.ndarray) -> np.ndarray:
    """Values of the modality, [H, W], through the VOI LUT, else the first window, else all of their range, to 0-255."""
    if header.get("VOILUTSequence"):
        bits = header.VOILUTSequence[0].LUTDescriptor[2]
        return pydicom.pixels.apply_voi(np.rint(values).astype(np.int64), header) * (255 / (2**bits - 1))
    if header.get("WindowCenter") is None or header.get("WindowWidth") is None:
        return stretched(values)
    screen = pydicom.Dataset()
    screen.PhotometricInterpretation, screen.PixelRepresentation, screen.BitsStored = "MONOCHROME2", 0, 8
    for name in ("WindowCenter", "WindowWidth", "VOILUTFunction"):
        if header.get(name) not in (None, ""):
            screen[name] = header[name]
    return finite(pydicom.pixels.apply_windowing(values, screen))
