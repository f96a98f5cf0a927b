"""Which files are images, and what the cache of their pixels depends on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import PIL
import pytest
from medical_files import dicom, nifti

from mri_robust.core.hashing import digest
from mri_robust.data.dataset import load_dataset
from mri_robust.data.formats import names
from mri_robust.data.formats.names import is_image, kind_of
from mri_robust.data.scans import read_scans
from mri_robust.data.sources.folder import FolderFiles

Maker = Callable[..., Path]
Files = dict[str, bytes]
SLICE = dicom(np.arange(64, dtype=np.uint8).reshape(8, 8))


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a/b.JPG", "picture"),
        ("x.dcm", "dicom"),
        ("X.DICOM", "dicom"),
        ("MR.IMA", "dicom"),
        ("x.nii", "nifti"),
        ("x.NII.gz", "nifti"),
        ("x.gz", ""),
        ("IM0001", ""),
        ("1.2.840.113619", ""),
        ("x.csv", ""),
    ],
)
def test_a_suffix_says_the_kind(name: str, kind: str) -> None:
    assert kind_of(name) == kind


def test_only_a_name_that_says_nothing_has_its_file_asked() -> None:
    asked: list[str] = []

    def first_bytes(name: str) -> bytes:
        asked.append(name)
        return SLICE[:132]

    taken = ["a/IM0001", "1.2.840.113619", "series.3/00017", "x.png", "x.dcm"]
    assert all(is_image(name, first_bytes) for name in taken)
    left = ["DICOMDIR", "a/dicomdir", "notes.txt", "x.csv", "x.h5"]
    assert not any(is_image(name, first_bytes) for name in left)
    assert asked == taken[:3]
    assert not is_image("README", lambda name: b"Read me, DICM" * 20)
    assert not is_image("short", lambda name: b"DICM")


@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_slices_without_a_suffix_are_found_in_a_folder_and_a_zip(
    kind: str, make_folder: Maker, make_zip: Maker, sound: Files
) -> None:
    more = {"IM0009": SLICE, "README": b"text" * 50, "DICOMDIR": SLICE, "s.nii": nifti(np.eye(8))}
    files = sound | {f"Training/glioma/{name}": content for name, content in more.items()}
    source = make_folder(files) if kind == "folder" else make_zip(files)
    dataset = load_dataset(source, size=8)
    assert [name for name in dataset.train.names if name.endswith(("IM0009", "s.nii"))] == [
        "Training/glioma/IM0009",
        "Training/glioma/s.nii",
    ]
    assert dataset.skipped == {"not an image": 2}
    scans = read_scans(source, size=8, channels="grey")
    assert len(scans.names) == len(sound) + 2
    place = scans.names.index("Training/glioma/IM0009")
    expected = np.rint(np.arange(64) * (255 / 63)).reshape(8, 8)
    np.testing.assert_array_equal(scans.images[place, 0], expected)


def records(cache: Path) -> set[str]:
    return {path.stem for path in cache.rglob("*.json")}


def test_a_cache_of_pictures_is_called_as_it_always_was(make_folder: Maker, sound: Files, cache: Path) -> None:
    folder = make_folder(sound)
    dataset = load_dataset(folder, size=16)
    key = FolderFiles(folder).key([*dataset.train.names, *dataset.test.names])
    assert records(cache) == {digest([1, PIL.__version__, key, 16, "grey"])}


def test_a_cache_of_slices_is_made_anew_when_a_decoder_comes_or_changes(
    make_folder: Maker, sound: Files, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_folder(sound | {"Training/glioma/x.dcm": SLICE, "Training/glioma/x.nii": nifti(np.eye(8))})
    for count, change in enumerate((None, "codec", "pydicom", "nibabel"), start=1):
        if change == "codec":
            monkeypatch.setattr(names, "installed_version", lambda package: "9.9")
        elif change:
            monkeypatch.setattr(f"{change}.__version__", "9.9")
        load_dataset(folder, size=8)
        load_dataset(folder, size=8)
        assert len(records(cache)) == count
