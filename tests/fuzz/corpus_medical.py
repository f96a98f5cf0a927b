"""DICOM and NIfTI files that are sound, absurd or hostile, each with the suffix that it goes by."""

from __future__ import annotations

import gzip
import io
import struct

import numpy as np
import pydicom
from medical_files import dicom, nifti
from pydicom.encaps import encapsulate
from pydicom.uid import DeflatedExplicitVRLittleEndian, JPEGBaseline8Bit, RLELossless

GREY = np.random.default_rng(0).integers(0, 4096, (24, 20), dtype=np.uint16)
COLOUR = np.random.default_rng(1).integers(0, 256, (24, 20, 3), dtype=np.uint8)
SLICE = nifti(GREY.astype(np.int16))


def _run_lengths() -> bytes:
    file = pydicom.dcmread(io.BytesIO(dicom(GREY)))
    file.compress(RLELossless)
    buffer = io.BytesIO()
    file.save_as(buffer)
    return buffer.getvalue()


def _nested(levels: int) -> bytes:
    """Sequences in sequences, of unknown length each."""
    unknown = 0xFFFFFFFF
    opening = struct.pack("<HH2sHI", 0x0028, 0x3010, b"SQ", 0, unknown) + struct.pack("<HHI", 0xFFFE, 0xE000, unknown)
    return dicom(GREY) + opening * levels


def _header(place: int, form: str, *values: float) -> bytes:
    data = bytearray(SLICE)
    struct.pack_into(form, data, place, *values)
    return bytes(data)


SLICES = {
    ".dcm": dicom(GREY, BitsStored=12, HighBit=11, WindowCenter=2000, WindowWidth=900),
    ".DICOM": dicom(COLOUR),
    ".ima": _run_lengths(),
    "": dicom(GREY, PhotometricInterpretation="MONOCHROME1"),
    ".nii": SLICE,
    ".nii.gz": gzip.compress(SLICE),
}
"""Suffix -> a sound slice that goes by it."""

SWOLLEN = encapsulate([struct.pack("<16I", 1, 64, *[0] * 14) + b"\x81\x00" * 300_000])
HOSTILE = {
    "no-pixels": (".dcm", dicom(GREY, PixelData=None)),
    "many-frames": (".dcm", dicom(GREY, NumberOfFrames=2**31 - 1)),
    "frames-of-words": (".dcm", dicom(GREY).replace(b"MONOCHROME2 ", b"\x1b[31mred\x07!!!")),
    "endless-sides": (".dcm", dicom(GREY, Rows=65535, Columns=65535)),
    "no-sides": (".dcm", dicom(GREY, Rows=0, Columns=0)),
    "bits-of-nothing": (".dcm", dicom(GREY, BitsAllocated=0, BitsStored=0)),
    "infinite-slope": (".dcm", dicom(GREY, RescaleSlope="1e308", RescaleIntercept="-1e308")),
    "slope-of-no-number": (".dcm", dicom(GREY, RescaleSlope="nan", RescaleIntercept="0")),
    "window-of-no-number": (".dcm", dicom(GREY, WindowCenter="nan", WindowWidth="inf")),
    "deflated": (".dcm", dicom(GREY, DeflatedExplicitVRLittleEndian)),
    "run-length-bomb": (".dcm", dicom(GREY.astype(np.uint8), RLELossless, PixelData=SWOLLEN)),
    "jpeg-of-nothing": (".dcm", dicom(COLOUR, JPEGBaseline8Bit, PixelData=encapsulate([b"\xff\xd8" * 40]))),
    "nested-sequences": (".dcm", _nested(20_000)),
    "magic-alone": ("", bytes(128) + b"DICM"),
    "magic-and-noise": (".dcm", bytes(128) + b"DICM" + np.random.default_rng(2).bytes(4000)),
    "picture-called-dicom": (".dcm", b"\x89PNG\r\n\x1a\n" + bytes(300)),
    "nothing": (".nii", b""),
    "volume": (".nii", nifti(np.zeros((9, 9, 9), np.uint8))),
    "endless-axes": (".nii", _header(40, "<8h", 7, *[32767] * 7)),
    "negative-axes": (".nii", _header(40, "<4h", 3, -20, -24, 1)),
    "before-the-file": (".nii", _header(108, "<f", -1e30)),
    "infinite-affine": (".nii", _header(280, "<12f", *[float("inf")] * 12)),
    "strange-type": (".nii", _header(70, "<hh", -1, 99)),
    "infinite-values": (".nii", nifti(np.full((9, 9), np.inf, np.float32))),
    "picture-called-nifti": (".nii.gz", b"\x89PNG\r\n\x1a\n" + bytes(300)),
    "gzip-bomb": (".nii.gz", gzip.compress(bytes(2**28 + 2**20), 1)),
}
"""Name -> the suffix and the bytes of a file that is no slice, or none that anybody should decode."""
