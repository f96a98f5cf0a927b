"""Zip files, sound and hostile."""

from __future__ import annotations

import os
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mri_robust.core.errors import UserError
from mri_robust.data.audit import duplicate_counts, leaked_test_images
from mri_robust.data.dataset import load_dataset

Maker = Callable[..., Path]
Files = dict[str, bytes]


def refusal(source: Path, **options: bool) -> str:
    with pytest.raises(UserError) as caught:
        load_dataset(source, size=16, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("top", ["", "brains-v1/"])
def test_a_zip_and_a_folder_of_the_same_content_are_equal(
    make_folder: Maker, make_zip: Maker, sound: Files, top: str, cache: Path
) -> None:
    packed = make_zip({top + name: data for name, data in sound.items()} | {"__MACOSX/._x.png": b""})
    zipped, folder = load_dataset(packed, size=16), load_dataset(make_folder(sound), size=16)
    for one, other in ((zipped.train, folder.train), (zipped.test, folder.test)):
        np.testing.assert_array_equal(one.images, other.images)
        np.testing.assert_array_equal(one.labels, other.labels)
        assert one.names == other.names
    assert zipped.digest == folder.digest
    assert zipped.skipped == {"hidden": 1}
    assert zipped.name == "brains.zip"
    assert {path.parent for path in cache.rglob("*") if path.is_file()} == {cache / "datasets"}


def test_backslashes_of_windows_programs_are_separators(make_zip: Maker, sound: Files) -> None:
    packed = make_zip({name.replace("/", "\\"): data for name, data in sound.items()})
    assert load_dataset(packed, size=16).classes == ("glioma", "notumor")


def test_a_zip_by_another_name_is_a_zip(make_zip: Maker, sound: Files) -> None:
    assert len(load_dataset(make_zip(sound, "download"), size=16).train) == 6


@pytest.mark.parametrize(
    "name", ["../evil.png", "Training/../../evil.png", "/etc/evil.png", "C:\\evil.png", "..\\e.png"]
)
def test_members_that_point_out_are_refused(make_zip: Maker, sound: Files, name: str, tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    packed = make_zip(sound | {name: b"x"})
    assert "points out of it" in refusal(packed, skip_unreadable=True)
    assert sorted(tmp_path.rglob("*")) == sorted([*before, packed])


def test_links_in_a_zip_are_refused(make_zip: Maker, sound: Files) -> None:
    packed = make_zip(sound)
    with zipfile.ZipFile(packed, "a") as archive:
        link = zipfile.ZipInfo("Training/glioma/link.png")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    assert "is a link" in refusal(packed)


def test_a_name_that_stands_twice_is_refused(make_zip: Maker, sound: Files) -> None:
    packed = make_zip(sound)
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(packed, "a") as archive:
        archive.writestr("Training/glioma/0.png", b"other")
    assert "holds 'Training/glioma/0.png' twice" in refusal(packed)


def directory_entry(data: bytearray, name: str) -> int:
    """Where the central directory tells of member `name`."""
    return data.rindex(name.encode()) - 46


def test_an_encrypted_zip_is_refused(make_zip: Maker, sound: Files) -> None:
    packed = make_zip(sound)
    data = bytearray(packed.read_bytes())
    data[directory_entry(data, "Training/glioma/0.png") + 8] |= 1
    packed.write_bytes(data)
    assert "is encrypted" in refusal(packed)


def test_a_member_of_absurd_size_is_refused_unread(make_zip: Maker, sound: Files) -> None:
    packed = make_zip(sound)
    data = bytearray(packed.read_bytes())
    struct.pack_into("<I", data, directory_entry(data, "Training/glioma/0.png") + 24, 2**31)
    packed.write_bytes(data)
    assert "Training/glioma/0.png (too large)" in refusal(packed)
    assert load_dataset(packed, size=16, skip_unreadable=True).skipped == {"unreadable": 1}


def test_a_member_larger_than_it_says_is_unreadable(make_zip: Maker, sound: Files) -> None:
    packed = make_zip(sound)
    data = bytearray(packed.read_bytes())
    struct.pack_into("<I", data, directory_entry(data, "Training/glioma/0.png") + 24, 10)
    packed.write_bytes(data)
    assert "damaged in the archive" in refusal(packed)


def test_a_damaged_member_is_unreadable(make_zip: Maker, sound: Files) -> None:
    packed = make_zip(sound)
    data = bytearray(packed.read_bytes())
    data[data.index(b"Training/glioma/0.png") + 60] ^= 0xFF
    packed.write_bytes(data)
    assert "Training/glioma/0.png (damaged in the archive)" in refusal(packed)


@pytest.mark.parametrize("share", [0, 0.3, 0.99])
def test_a_cut_zip_is_refused(make_zip: Maker, sound: Files, share: float) -> None:
    packed = make_zip(sound)
    data = packed.read_bytes()
    packed.write_bytes(data[: int(len(data) * share)])
    assert "is not a whole .zip file" in refusal(packed)


def test_an_empty_zip_is_refused(make_zip: Maker) -> None:
    assert "is empty" in refusal(make_zip({}))


def test_a_file_that_is_no_zip_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("words")
    assert "neither a folder nor a .zip file" in refusal(tmp_path / "notes.txt")
    os.mkfifo(tmp_path / "pipe")
    assert "neither a folder nor a .zip file" in refusal(tmp_path / "pipe")


def test_a_zip_that_may_not_be_read(make_zip: Maker, sound: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    packed = make_zip(sound)
    monkeypatch.setattr(zipfile, "ZipFile", refuse)
    assert "Permission denied" in refusal(packed)


REAL = os.environ.get("MRI_ROBUST_REAL_DATA")


@pytest.mark.skipif(not REAL, reason="MRI_ROBUST_REAL_DATA does not name the archive of the study's data")
def test_the_real_archive_has_its_known_faults() -> None:
    dataset = load_dataset(REAL or "", size=224)
    assert (len(dataset.train), len(dataset.test)) == (5708, 1311)
    assert duplicate_counts(dataset) == {"train": 207, "test": 30}
    assert leaked_test_images(dataset).sum() == 216
