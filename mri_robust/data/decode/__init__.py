"""One image file's bytes to pixels of the asked size: pictures here, DICOM and NIfTI slices in files of their own."""

import io
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import PurePosixPath

import numpy as np
from PIL import Image, UnidentifiedImageError
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile

from mri_robust.core.errors import UserError
from mri_robust.core.packages import import_extra, installed_version
from mri_robust.data.dataset import Channels

TWELVE_BITS = 2**12 - 1
MAX_PIXELS = 100_000_000  # of a picture
MAX_SLICE = 2**24  # pixels of a DICOM or NIfTI slice, which is computed on in float64: 4096 x 4096
MAX_BYTES = 256 * 2**20  # of a file, and of what a compressed one unpacks to

VOLUME = "a volume of {} slices: export the slices that show what the label says"
DAMAGED = "cut short or damaged"
FORMATS = ("JPEG", "PNG", "BMP", "GIF", "PPM", "TIFF", "WEBP", "JPEG2000")
"""Pillow would also open EPS, which starts another program, and formats that any bytes at all may pass for."""
_PICTURES = (".bmp", ".gif", ".jfif", ".jp2", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
SUFFIXES = {"picture": _PICTURES, "dicom": (".dcm", ".dicom", ".ima"), "nifti": (".nii", ".nii.gz")}
MAGIC, MAGIC_END = b"DICM", 132  # what stands before byte 132 of every DICOM file
_MAY_BE_DEEP = (b"II", b"MM", b"P2", b"P5", b"\0\0\0\x0cjP", b"\xff\x4f")  # TIFF, PGM, JPEG2000
CODECS = ("pylibjpeg", "pylibjpeg-libjpeg", "pylibjpeg-openjpeg", "python-gdcm", "pyjpegls")
"""What pydicom unpacks some compressed files with, where it is installed."""

FirstBytes = Callable[[str], bytes]  # the first `MAGIC_END` bytes of a file, or fewer


class Unreadable(Exception):
    """An image file cannot be used; the message is a short reason, to stand in brackets after its name."""


def decode(
    data: bytes,
    size: int,
    channels: Channels,
    name: str = "",
    *,
    white: int | None = None,
    notes: list[str] | None = None,
) -> tuple[np.ndarray, tuple[int, int]]:
    """Decode an image file to contiguous uint8 [C, size, size], and its own (width, height).

    It is resized bilinearly, without keeping its aspect. Transparent parts become black, 16-bit greys of pictures are
    scaled from 0..`white` to 0..255, the first frame stands for an animation, and the pixels are taken as stored,
    whatever orientation the EXIF data ask for. `white` is 65535, or 4095 for values of 12 bits in 16; where it is None,
    `white_of` the picture. DICOM and NIfTI slices are shown as `open_dicom` and `open_nifti` say. The suffix of `name`
    says of what kind the file is; else its first bytes do. `notes` takes short texts on what was not read as stored.
    Raises `Unreadable` where the bytes are no image, a damaged one, a volume, one that is too large or without a fixed
    white, and `UserError` where a package that reads such files is not installed.
    """
    with _refusing(), open_image(data, name) as image:
        if _deep_colours(image) and 0 < np.asarray(image.convert("RGB")).max() <= TWELVE_BITS >> 8:
            raise Unreadable("16-bit colours that end at 4095 come out black: save the picture in 8 bits, or as grey")
        pixels, said = resized(image, size, channels, white), image.info.get("notes", ())
        if image.mode.startswith("I") and (white or white_of(int(np.asarray(image).max()))) == TWELVE_BITS:
            said = ["values of 12 bits in 16 are stretched from 0-4095 to all greys"]
        if notes is not None:
            notes += [note for note in said if isinstance(note, str)]
        return pixels, image.size


def resized(image: Image.Image, size: int, channels: Channels, white: int | None = None) -> np.ndarray:
    """Contiguous uint8 [C, size, size] of an opened image; see `decode`."""
    opaque = _opaque(image, white).convert("L" if channels == "grey" else "RGB")
    pixels = np.asarray(opaque.resize((size, size), Image.Resampling.BILINEAR))
    return np.ascontiguousarray(pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1))


def _deep_colours(image: Image.Image) -> bool:
    """Whether a colour picture has 16 bits a channel, of which Pillow keeps the upper 8."""
    if image.mode not in ("RGB", "RGBA", "LA"):
        return False
    if isinstance(image, PngImageFile):
        return ";16" in str(image.tile[0].args) if image.tile else False
    return isinstance(image, TiffImageFile) and image.tag_v2.get(258, (8,))[0] == 16


def greatest_grey(name: str, first_bytes: FirstBytes, read: Callable[[str], bytes]) -> int:
    """The greatest value of a grey picture of more than 8 bits; 0 of other files, and of what cannot be read."""
    with suppress(Unreadable):
        start = first_bytes(name) if kind_of(name) == "picture" else b""
        if start[24:25] == b"\x10" if start.startswith(b"\x89PNG") else start.startswith(_MAY_BE_DEEP):
            with _refusing(), open_image(read(name), name) as image:
                return int(np.asarray(image).max()) if image.mode.startswith("I") else 0
    return 0


def white_of(greatest: int) -> int:
    """What value of 16-bit pictures is white, judged by their greatest: scanners give 12 bits."""
    return TWELVE_BITS if 255 < greatest <= TWELVE_BITS else 65535


def open_image(data: bytes, name: str = "") -> Image.Image:
    """An image file of any kind, before it is resized; see `decode`."""
    from mri_robust.data.decode.dicom import open_dicom
    from mri_robust.data.decode.nifti import open_nifti

    if not data:
        raise Unreadable("empty file")
    kind = kind_of(name)
    with _refusing():
        if kind == "dicom" or (not kind and is_dicom(data)):
            return open_dicom(data)
        if kind == "nifti":
            return open_nifti(data)
        image = Image.open(io.BytesIO(data), formats=FORMATS)  # pixels are read when they are asked for
    if image.width * image.height > MAX_PIXELS:
        raise Unreadable(f"too large: {image.width} x {image.height} pixels")
    return image


def patient_id(data: bytes) -> str:
    """The PatientID in a DICOM file; empty for another file or where it has none; `Unreadable` where it is no slice."""
    from mri_robust.data.decode.dicom import patient_of

    with _refusing():
        return patient_of(data) if is_dicom(data) else ""


@contextmanager
def _refusing() -> Iterator[None]:
    """Raise `Unreadable` instead of what decoders raise on damaged bytes: nearly anything, with words of the header."""
    try:
        yield
    except (Unreadable, UserError):
        raise
    except (MemoryError, Image.DecompressionBombError) as error:
        raise Unreadable("too large") from error
    except UnidentifiedImageError as error:
        raise Unreadable("not an image") from error
    except Exception as error:
        raise Unreadable(DAMAGED) from error


def _opaque(image: Image.Image, white: int | None) -> Image.Image:
    """The image in 8 bits a channel and without transparency, which is composited on black."""
    if image.mode.startswith("I"):
        values = np.asarray(image)
        if values.min() < 0 or values.max() > 65535:
            raise Unreadable("pixel values outside 0 to 65535 have no fixed white, save them in 8 or 16 bits")
        white = white or white_of(int(values.max()))
        return Image.fromarray(((values.astype(np.uint32) * 255 + white // 2) // white).astype(np.uint8))
    if image.mode == "F":
        raise Unreadable("floating-point pixels have no fixed white, save them in 8 or 16 bits")
    if not image.has_transparency_data:
        return image
    black = Image.new("RGBA", image.size, (0, 0, 0, 255))
    return Image.alpha_composite(black, image.convert("RGBA")).convert("RGB")


def stretched(values: np.ndarray) -> np.ndarray:
    """float64 of float64: the least value 0, the greatest 255, or all 0; `Unreadable` where one is not finite."""
    low, high = float(finite(values).min()), float(values.max())
    return np.zeros(values.shape) if low == high else finite((values - low) * (255 / (high - low)))


def finite(values: np.ndarray) -> np.ndarray:
    """The values, or `Unreadable` if one is not a finite number."""
    if not np.isfinite(values).all():
        raise Unreadable("pixels that are not finite numbers")
    return values


def kind_of(name: str) -> str:
    """`picture`, `dicom`, `nifti`, or empty where a name does not say."""
    return next((kind for kind, suffixes in SUFFIXES.items() if name.casefold().endswith(suffixes)), "")


def is_image(name: str, first_bytes: FirstBytes) -> bool:
    """Whether a file is an image: by its suffix, or by its first bytes where the name has none, or one of digits.

    Scanners call DICOM files `IM0001` or `1.2.840.113619`. A `DICOMDIR`, which lists such files, is no image.
    """
    path = PurePosixPath(name)
    bare = not path.suffix or path.suffix[1:].isdecimal()
    return bool(kind_of(name)) or (bare and path.name.casefold() != "dicomdir" and is_dicom(first_bytes(name)))


def is_dicom(data: bytes) -> bool:
    """Whether a file begins like DICOM: with the preamble, or without it with an element of group 2 or 8."""
    tag, bare = int.from_bytes(data[2:4], "little"), data[:2] in (b"\x02\0", b"\x08\0")
    return has_preamble(data) or (bare and tag < 0x100 and (data[4:6].isupper() or data[5:8] == bytes(3)))


def has_preamble(data: bytes) -> bool:
    """Whether a file says that it is DICOM."""
    return data[MAGIC_END - len(MAGIC) : MAGIC_END] == MAGIC


def decoders(names: Iterable[str]) -> list[str]:
    """What else than Pillow decides the pixels of these images, with versions; `UserError` where it is missing."""
    from mri_robust.data.decode.dicom import import_pydicom

    kinds = {kind_of(name) or "dicom" for name in names}
    found = []
    if "dicom" in kinds:
        found += [f"pydicom {import_pydicom().__version__}", *(f"{name} {installed_version(name)}" for name in CODECS)]
    if "nifti" in kinds:
        found.append("nibabel " + import_extra("nibabel", "medical", "a NIfTI file").__version__)
    return found
