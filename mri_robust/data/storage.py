"""What is left of an image when it is saved and read: six ways that a finished slice takes to a model.

Each is a function of images, float32 [N, 1 or 3, H, W] in [0, 1], and gives what is read back, the same shape, float32
in [0, 1] on the same device.
"""

import io
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from mri_robust.data.decode import TWELVE_BITS
from mri_robust.data.decode.dicom import import_pydicom, open_dicom, shown_values

UNSAVED = "none"  # what rows call the format of an image that goes straight to the model


def eight_bits(images: Tensor) -> Tensor:
    """To the nearest of 256 greys, as any picture is saved: a change of under half a grey of such an image is gone."""
    return (images * 255).round() / 255


def jpeg(images: Tensor, quality: int) -> Tensor:
    """Saved as JPEG of a quality from 1 to 95."""

    def saved(picture: Image.Image) -> Image.Image:
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=quality)
        return Image.open(buffer)

    return _as_pictures(images, saved)


def enlarged(images: Tensor, side: int) -> Tensor:
    """Saved as PNG of `side` x `side` pixels, enlarged bicubically, and brought back bilinearly as `decode` does.

    PNG itself loses nothing of the 8 bits, so that none is written.
    """
    height, width = images.shape[-2:]
    back, bilinear = (width, height), Image.Resampling.BILINEAR
    return _as_pictures(images, lambda picture: picture.resize((side, side)).resize(back, bilinear))


def dicom(images: Tensor, window: float | None = None) -> Tensor:
    """Saved as DICOM of 12 bits, a slice per channel whose black is 0 and white 4095, and read by our own reader.

    With a `window`, a share in (0, 1], it is what a screen shows of that share of the greys about the middle one, in 8
    bits: those beyond are black and white. Without, all 12 bits are read. UserError where pydicom is not installed.
    """
    width, planes = round(TWELVE_BITS * (window or 1)) + 1, []
    for plane in (images.cpu() * TWELVE_BITS).round().flatten(0, 1).numpy().astype(np.uint16):
        file = _dicom_file(plane, width)
        planes.append(shown_values(file)[0] if window is None else np.asarray(open_dicom(file)))
    return torch.from_numpy(np.stack(planes)).to(images).reshape(images.shape) / 255


def _dicom_file(plane: np.ndarray, width: int) -> bytes:
    """A DICOM file of one grey slice, uint16 [H, W] of 12 bits, with a window of this width."""
    pydicom = import_pydicom()
    meta = pydicom.dataset.FileMetaDataset()
    meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = pydicom.uid.MRImageStorage, "1.2"
    file = pydicom.FileDataset(None, {}, file_meta=meta, preamble=bytes(128))
    file.Rows, file.Columns = plane.shape
    file.SamplesPerPixel, file.PhotometricInterpretation, file.PixelRepresentation = 1, "MONOCHROME2", 0
    file.BitsAllocated, file.BitsStored, file.HighBit = 16, 12, 11
    file.WindowCenter, file.WindowWidth = (TWELVE_BITS + 1) // 2, width  # which count as PS3.3 C.11.2.1.2 says
    file.PixelData = plane.tobytes()
    buffer = io.BytesIO()
    file.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def _as_pictures(images: Tensor, change: Callable[[Image.Image], Image.Image]) -> Tensor:
    """Each image in 8 bits, through `change`."""
    found = []
    for image in (images.cpu() * 255).round().to(torch.uint8).numpy():
        picture = Image.fromarray(image[0] if len(image) == 1 else np.ascontiguousarray(np.moveaxis(image, 0, -1)))
        pixels = np.array(change(picture))
        found.append(pixels[None] if pixels.ndim == 2 else np.moveaxis(pixels, -1, 0))
    return torch.from_numpy(np.stack(found)).to(images) / 255


FORMATS: dict[str, Callable[[Tensor], Tensor]] = {
    "8-bit": eight_bits,
    "jpeg-95": partial(jpeg, quality=95),
    "jpeg-75": partial(jpeg, quality=75),
    "png-512": partial(enlarged, side=512),
    "dicom-12-bit": dicom,
    "dicom-window": partial(dicom, window=0.9),
}
"""Format -> what is read back of images that were saved in it."""


def readable() -> tuple[str, ...]:
    """The formats whose packages are installed: those of DICOM need pydicom, of the extra `medical`."""
    return tuple(name for name in FORMATS if not name.startswith("dicom") or find_spec("pydicom"))
