"""Pictures, DICOM and NIfTI files in memory, written by Pillow, pydicom and nibabel; folders and archives of them."""

import io
import zipfile
from pathlib import Path

import nibabel
import numpy as np
import pydicom
from PIL import Image
from pydicom.uid import UID, ExplicitVRLittleEndian, MRImageStorage

PATIENT = "SECRET^PATIENT"


def dicom(pixels: np.ndarray, syntax: UID = ExplicitVRLittleEndian, **elements: object) -> bytes:
    """A DICOM file of pixels [H, W] (grey) or [H, W, 3] (RGB), integers or float32; an element of None is left out."""
    grey, floats, bits = pixels.ndim == 2, pixels.dtype.kind == "f", 8 * pixels.dtype.itemsize
    meta = pydicom.dataset.FileMetaDataset()
    meta.TransferSyntaxUID, meta.MediaStorageSOPClassUID = syntax, MRImageStorage
    meta.MediaStorageSOPInstanceUID = "1.2"
    file = pydicom.FileDataset(None, {}, file_meta=meta, preamble=bytes(128))
    said = {"PatientName": PATIENT, "PatientID": PATIENT, "Rows": pixels.shape[0], "Columns": pixels.shape[1]}
    said |= {"SamplesPerPixel": 1 if grey else 3, "PlanarConfiguration": None if grey else 0, "BitsAllocated": bits}
    said |= {"PhotometricInterpretation": "MONOCHROME2" if grey else "RGB"}
    if not floats:
        said |= {"BitsStored": bits, "HighBit": bits - 1, "PixelRepresentation": int(pixels.dtype.kind == "i")}
    said["FloatPixelData" if floats else "PixelData"] = pixels.tobytes()
    buffer = io.BytesIO()
    with pydicom.config.disable_value_validation():  # tests also write what the standard forbids
        for name, value in (said | elements).items():
            if value is not None:
                setattr(file, name, value)
        file.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def nifti(values: np.ndarray, affine: np.ndarray | None = None, kind: type = nibabel.Nifti1Image) -> bytes:
    """A NIfTI file of values [H, W], [H, W, 1] or a volume; axes right, anterior, superior by default."""
    return kind(values, np.eye(4) if affine is None else affine).to_bytes()


def picture(image: np.ndarray | Image.Image, kind: str = "PNG", **options: object) -> bytes:
    """A picture file of pixels, uint8 or uint16 [H, W] or uint8 [H, W, 3], or of an image of Pillow's."""
    buffer = io.BytesIO()
    image = Image.fromarray(np.ascontiguousarray(image)) if isinstance(image, np.ndarray) else image
    image.save(buffer, format=kind, **options)
    return buffer.getvalue()


def folder_of(files: dict[str, bytes], root: Path) -> Path:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


def zip_of(files: dict[str, bytes], path: Path) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path
