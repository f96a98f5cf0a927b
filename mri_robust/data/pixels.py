"""One image file's bytes to pixels of the asked size."""

from __future__ import annotations

import numpy as np
from PIL import Image

from mri_robust.core.errors import UserError
from mri_robust.data.dataset import Channels
from mri_robust.data.formats.dicom import MAGIC, MAGIC_END, open_dicom
from mri_robust.data.formats.limits import DAMAGED, Unreadable
from mri_robust.data.formats.names import kind_of
from mri_robust.data.formats.nifti import open_nifti
from mri_robust.data.formats.picture import opaque, open_picture


def decode(data: bytes, size: int, channels: Channels, name: str = "") -> tuple[np.ndarray, tuple[int, int]]:
    """Decode an image file and resize it, bilinear, without keeping its aspect.

    Transparent parts become black, 16-bit greys of pictures are scaled from 0..65535 to 0..255, the first frame stands
    for an animation, and the pixels are taken as stored, whatever orientation the EXIF data ask for. DICOM and NIfTI
    slices are shown as `open_dicom` and `open_nifti` say.

    Args:
        data: the file.
        size: height and width to resize to, pixels.
        channels: `grey` or `rgb`.
        name: the file's name, whose suffix says of what kind it is; else its first bytes do.

    Returns:
        uint8 [C, size, size], C = 1 (`grey`) or 3 (`rgb`), and the file's own (width, height).

    Raises:
        Unreadable: the bytes are no image, a damaged one, a volume, one that is too large, or have no fixed white.
        UserError: a package that reads such files is not installed.
    """
    try:
        with open_image(data, name) as image:
            original = image.size
            mode = "L" if channels == "grey" else "RGB"
            resized = opaque(image).convert(mode).resize((size, size), Image.Resampling.BILINEAR)
    except (Unreadable, UserError):
        raise
    except Exception as error:
        # Pillow reads a picture's pixels only now, and raises nearly anything on damaged ones.
        raise Unreadable("too large" if isinstance(error, Image.DecompressionBombError) else DAMAGED) from error
    pixels = np.asarray(resized)
    planes = pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
    return np.ascontiguousarray(planes), original


def open_image(data: bytes, name: str = "") -> Image.Image:
    """An image file of any kind, before it is resized; see `decode`."""
    if not data:
        raise Unreadable("empty file")
    kind = kind_of(name)
    if kind == "dicom" or (not kind and data[MAGIC_END - len(MAGIC) : MAGIC_END] == MAGIC):
        return open_dicom(data)
    return open_nifti(data) if kind == "nifti" else open_picture(data)
