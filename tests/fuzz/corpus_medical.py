"""DICOM and NIfTI files that are sound, absurd or hostile, each with the suffix that it goes by."""

import gzip
import io
import struct

import nibabel
import numpy as np
import pydicom
from medical_files import dicom, nifti
from pydicom import uid
from pydicom.encaps import encapsulate

GREY = np.random.default_rng(0).integers(0, 4096, (24, 20), dtype=np.uint16)
COLOUR = np.random.default_rng(1).integers(0, 256, (24, 20, 3), dtype=np.uint8)
SMALL, CODE = np.zeros((4, 4), np.uint8), encapsulate([b"x" * 64])
SLICE = nifti(GREY.astype(np.int16))
WORDS = b"\x89PNG\r\n\x1a\n" + bytes(500)
FLAT = nibabel.Nifti1Image(np.ones((4, 4)), None)
FLAT.header.set_sform(np.diag([1.0, 1.0, 0.0, 1.0]), 1)


def _run_lengths() -> bytes:
    file, buffer = pydicom.dcmread(io.BytesIO(dicom(GREY))), io.BytesIO()
    file.compress(uid.RLELossless)
    file.save_as(buffer)
    return buffer.getvalue()


def _nested(levels: int) -> bytes:
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
DICOM = {
    "no-pixels": (dicom(GREY, PixelData=None), "without an image"),
    "two-frames": (dicom(np.zeros((8, 4), np.uint8), Rows=4, NumberOfFrames=2), "volume of 2 "),
    "frames-of-words": (dicom(GREY).replace(b"MONOCHROME2 ", b"\x1b[31mred\x07!!!"), "colours"),
    "hue": (dicom(COLOUR, PhotometricInterpretation="HSV"), "colours"),
    "palette-without-one": (dicom(SMALL, PhotometricInterpretation="PALETTE COLOR"), "colours"),
    "grey-of-three": (dicom(COLOUR, PhotometricInterpretation="MONOCHROME2"), "contradicts"),
    "endless-sides": (dicom(GREY, Rows=65535, Columns=65535), "too large"),
    "no-sides": (dicom(GREY, Rows=0, Columns=0), "without a size"),
    "bits-of-nothing": (dicom(GREY, BitsAllocated=0, BitsStored=0), "0 bits"),
    "infinite-slope": (dicom(GREY, RescaleSlope="1e308", RescaleIntercept="-1e308"), "not finite"),
    "holes": (dicom(np.array([[0, np.nan], [np.inf, 1]], np.float32)), "not finite"),
    "deflated": (dicom(GREY, uid.DeflatedExplicitVRLittleEndian), "deflated"),
    "run-length-bomb": (dicom(GREY.astype(np.uint8), uid.RLELossless, PixelData=SWOLLEN), "damaged"),
    "jpeg-of-nothing": (dicom(COLOUR, uid.JPEGBaseline8Bit, PixelData=encapsulate([b"\xff\xd8" * 40])), "damaged, or"),
    "bits-beyond": (dicom(SMALL, BitsStored=12, HighBit=11), "contradicts"),
    "bits-of-no-bytes": (dicom(GREY, BitsAllocated=12, BitsStored=12, HighBit=11), "contradicts|stored"),
    "frames-of-no-number": (
        dicom(SMALL, NumberOfFrames="11").replace(b"IS\x02\x0011", b"IS\x02\x001A"),
        "NumberOfFrames",
    ),
    "slope-of-no-number": (dicom(GREY, RescaleSlope="1.5").replace(b"1.5 ", b"abc "), "RescaleSlope"),
    "colours-unsaid": (dicom(COLOUR, PhotometricInterpretation=None), "PhotometricInterpretation"),
    "size-unsaid": (dicom(GREY, Rows=None), "Rows is missing"),
    "codec": (dicom(SMALL, uid.JPEGLosslessSV1, PixelData=CODE), "JPEG Lossless, .* pylibjpeg"),
    "nested-sequences": (_nested(20_000), "damaged"),
    "cut-short": (dicom(GREY)[:-200], "damaged"),
    "header-cut-short": (dicom(GREY)[:200], "without an image|damaged"),
    "magic-alone": (bytes(128) + b"DICM", "without an image"),
    "magic-and-noise": (bytes(128) + b"DICM" + np.random.default_rng(2).bytes(4000), "without an image|damaged"),
    "picture-called-dicom": (WORDS, "not a DICOM"),
}
NIFTI = {
    "nothing": (b"", "empty"),
    "volume": (nifti(np.zeros((9, 9, 155), np.uint8)), "volume of 155 "),
    "over-time": (nifti(np.zeros((4, 4, 1, 7), np.uint8)), "volume of 7 "),
    "endless-axes": (_header(40, "<8h", 7, *[32767] * 7), "volume"),
    "endless-sides": (_header(40, "<4h", 3, 32767, 32767, 1), "too large"),
    "negative-axes": (_header(40, "<4h", 3, -20, -24, 1), "damaged"),
    "before-the-file": (_header(108, "<f", -1e30), "damaged"),
    "infinite-slope": (_header(112, "<2f", 1, float("inf")), "damaged"),
    "infinite-affine": (_header(280, "<12f", *[float("inf")] * 12), "damaged"),
    "no-third-axis": (FLAT.to_bytes(), "how it lies"),
    "strange-type": (_header(70, "<hh", -1, 99), "damaged|no real"),
    "complex": (nifti(np.ones((4, 4), np.complex64)), "no real numbers"),
    "infinite-values": (nifti(np.full((9, 9), np.inf, np.float32)), "not finite"),
    "pair": (SLICE[:344] + b"ni1\0" + SLICE[348:], "not a NIfTI"),
    "cut-short": (SLICE[:-1], "damaged"),
    "header-cut-short": (SLICE[:346], "not a NIfTI"),
    "picture-called-nifti": (WORDS, "not a NIfTI"),
    "gzip-of-nothing": (b"\x1f\x8b" + SLICE, "damaged"),
    "gzip-cut-short": (gzip.compress(SLICE)[:-40], "damaged|not a NIfTI"),
    "gzip-bomb": (gzip.compress(bytes(2**28 + 2**20), 1), "too large"),
}
HOSTILE = {f"{name}.dcm": (".dcm", *case) for name, case in DICOM.items()}
HOSTILE |= {f"{name}.nii": (".nii.gz" if "gzip" in name else ".nii", *case) for name, case in NIFTI.items()}
"""Name -> the suffix and the bytes of a file that is no slice, or none that anybody should decode, and what is said."""
