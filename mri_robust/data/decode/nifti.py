"""One NIfTI slice as radiologists look at it.

The axes are put in nibabel's closest canonical order (right, anterior, superior), and the slice is shown from the
patient's feet, front or left side as DICOM does: the patient's right on the left of axial and coronal slices, the
front at the top of axial slices and on the left of sagittal ones, the head at the top. A NIfTI file names no window:
the slice's own least and greatest value are black and white. NaN around the head, where programs cut the skull away,
is taken as zero, or as the least value where some are negative.
"""

import math
import zlib
from typing import Any

import numpy as np
from PIL import Image
from scipy.ndimage import label

from mri_robust.core.packages import import_extra
from mri_robust.data.decode import DAMAGED, MAX_BYTES, MAX_SLICE, VOLUME, Unreadable, stretched


def open_nifti(data: bytes) -> Image.Image:
    """The slice in a NIfTI file (`.nii`, `.nii.gz`; version 1 or 2), mode `L`; errors as of `open_image`."""
    nibabel = import_extra("nibabel", "medical", "a NIfTI file")
    if data.startswith(b"\x1f\x8b"):
        unpacker = zlib.decompressobj(31)  # which asks for a gzip header
        data = unpacker.decompress(data, MAX_BYTES)
        if unpacker.unconsumed_tail:
            raise Unreadable("too large")
    values, affine = _read(nibabel, data)
    around = _outside(values)
    values[around] = min(0.0, float(values[~around].min()))
    turns = nibabel.orientations.io_orientation(affine)
    if np.isnan(turns).any():
        raise Unreadable("its affine does not say how it lies")
    canonical = nibabel.orientations.apply_orientation(values, turns)
    across = int(turns[max(axis for axis in range(3) if values.shape[axis] == 1), 0])
    # Right, anterior, superior: in each of the three planes both axes run against the screen's.
    upright = np.take(canonical, 0, axis=across)[::-1, ::-1].T
    image = Image.fromarray(np.rint(stretched(upright)).astype(np.uint8))
    image.info["notes"] = ["the NaN around the head are taken as zero"] if around.any() else []
    return image


def _outside(values: np.ndarray) -> np.ndarray:
    """Which values are NaN and hang together with the border, as around a head that was cut out; bool of that shape."""
    nan = np.isnan(values)
    if not nan.any():
        return nan
    plane = next(axis for axis in range(3) if values.shape[axis] == 1)
    parts = np.pad(nan.squeeze(plane), 1, constant_values=True)
    outside = (label(parts)[0] == 1)[1:-1, 1:-1]
    if (nan.squeeze(plane) & ~outside).any():
        raise Unreadable("pixels inside the head are not finite numbers (NaN)")
    if outside.all():
        raise Unreadable("pixels that are not finite numbers: all are NaN")
    return np.expand_dims(outside, plane)


def _read(nibabel: Any, data: bytes) -> tuple[np.ndarray, np.ndarray]:
    """Scaled values, float64 with three axes of which one has length 1, and the affine, [4, 4].

    Without nibabel's own reader, which would also read the extensions, where facts of a patient may stand.
    """
    kinds = {b"n+1": nibabel.Nifti1Header, b"n+2": nibabel.Nifti2Header}
    kind = kinds.get(data[344:347]) or kinds.get(data[4:7])
    if kind is None:
        raise Unreadable("not a NIfTI file in one piece (.nii or .nii.gz)")
    header = kind(data[: kind.sizeof_hdr], check=False)
    shape = tuple(map(int, header.get_data_shape()))
    pixels, dtype = math.prod(shape), header.get_data_dtype()
    axes = (*shape, 1, 1, 1)[:3] if pixels == math.prod(shape[:3]) else shape
    if min(axes) < 1:
        raise Unreadable(DAMAGED)
    if len(axes) > 3 or 1 not in axes:
        raise Unreadable(VOLUME.format(math.prod(shape[2:])))
    if pixels > MAX_SLICE:
        raise Unreadable(f"too large: {pixels} pixels")
    if dtype.kind not in "iuf":
        raise Unreadable("pixels that are no real numbers")
    raw = np.frombuffer(data, dtype, pixels, header.get_data_offset()).reshape(axes, order="F")
    slope, intercept = header.get_slope_inter()
    # Some programs leave the sign of the third axis at 0, which nibabel and others take for 1.
    if header["pixdim"][0] not in (-1, 1):
        header["pixdim"][0] = 1
    return raw.astype(np.float64) * (slope or 1.0) + (intercept or 0.0), header.get_best_affine()
