"""Which files are images, and of which kind."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import PurePosixPath

from mri_robust.core.packages import installed_version
from mri_robust.data.formats.dicom import MAGIC, MAGIC_END, import_pydicom
from mri_robust.data.formats.nifti import import_nibabel

PICTURES = (
    *(".bmp", ".gif", ".jfif", ".jp2", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"),
)
DICOM = (".dcm", ".dicom", ".ima")
NIFTI = (".nii", ".nii.gz")
CODECS = ("pylibjpeg", "pylibjpeg-libjpeg", "pylibjpeg-openjpeg", "python-gdcm", "pyjpegls")
"""What pydicom unpacks some compressed files with, where it is installed."""

FirstBytes = Callable[[str], bytes]
"""The first `MAGIC_END` bytes of a file, or fewer."""


def kind_of(name: str) -> str:
    """`picture`, `dicom`, `nifti`, or empty where a name does not say."""
    folded = name.casefold()
    if PurePosixPath(folded).suffix in PICTURES:
        return "picture"
    return "dicom" if folded.endswith(DICOM) else "nifti" if folded.endswith(NIFTI) else ""


def is_image(name: str, first_bytes: FirstBytes) -> bool:
    """Whether a file is an image: by its suffix, or by its first bytes where the name has none.

    Scanners call DICOM files `IM0001` or `1.2.840.113619`: where a name has no suffix, or one of digits, the file is
    asked whether it is DICOM. A `DICOMDIR`, which lists such files, is none.
    """
    path = PurePosixPath(name)
    if kind_of(name) or path.name.casefold() == "dicomdir":
        return bool(kind_of(name))
    bare = not path.suffix or path.suffix[1:].isdecimal()
    return bare and first_bytes(name)[MAGIC_END - len(MAGIC) : MAGIC_END] == MAGIC


def decoders(names: Iterable[str]) -> list[str]:
    """What else than Pillow decides the pixels of these images, with versions; empty where all are pictures.

    Raises:
        UserError: a package that they need is not installed.
    """
    kinds = {kind_of(name) or "dicom" for name in names}
    found = []
    if "dicom" in kinds:
        found += [f"pydicom {import_pydicom().__version__}", *(f"{name} {installed_version(name)}" for name in CODECS)]
    if "nifti" in kinds:
        found += [f"nibabel {import_nibabel().__version__}"]
    return found
