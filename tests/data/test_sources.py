"""Folders and archives of images, the download from Kaggle, and the cache behind them; tests/fuzz has hostile ones."""

import errno
import io
import os
import sys
import zipfile
from types import SimpleNamespace

import numpy as np
import PIL
import pytest
from medical_files import dicom, nifti, picture
from PIL import Image

from mri_robust.core.errors import UserError
from mri_robust.core.hashing import digest
from mri_robust.data import decode, loader
from mri_robust.data.dataset import load_dataset
from mri_robust.data.scans import read_scans
from mri_robust.data.sources.folder import FolderFiles

SLICE = dicom(np.arange(64, dtype=np.uint8).reshape(8, 8))


def kept(cache):
    return sorted(path for path in cache.rglob("*") if path.is_file())


@pytest.mark.parametrize("channels", ["grey", "rgb"])
def test_a_folder_is_loaded_as_pillow_reads_it(make_folder, sound, channels) -> None:
    dataset = load_dataset(make_folder(sound), size=16, channels=channels)
    assert (dataset.name, dataset.classes, dataset.channels) == ("brains", ("glioma", "notumor"), channels)
    assert dataset.train.labels.tolist() == [0, 0, 0, 1, 1, 1]
    for split in (dataset.train, dataset.test):
        assert (split.images.flags.writeable, split.labels.dtype) == (False, np.int64)
        for name, image in zip(split.names, split.images, strict=True):
            picture = Image.open(io.BytesIO(sound[name])).convert("L" if channels == "grey" else "RGB")
            expected = np.asarray(picture.resize((16, 16), Image.Resampling.BILINEAR))
            np.testing.assert_array_equal(image.transpose(1, 2, 0).squeeze(), expected)
    assert set(dataset.files) == set(sound)
    for name, data in sound.items():
        assert tuple(dataset.files[name]) == (*Image.open(io.BytesIO(data)).size, len(data) / 1000)


def test_the_second_load_decodes_nothing(make_folder, sound, monkeypatch, cache) -> None:
    folder = make_folder(sound)
    first, before = load_dataset(folder, size=16), kept(cache)
    key = FolderFiles(folder).key([*first.train.names, *first.test.names])
    assert {path.stem for path in before} == {digest([2, PIL.__version__, key, 16, "grey"])}
    monkeypatch.setattr(loader, "decode", lambda *_: pytest.fail("decoded again"))
    second = load_dataset(folder, size=16)
    np.testing.assert_array_equal(first.train.images, second.train.images)
    assert (second.digest, second.train.names, kept(cache)) == (first.digest, first.train.names, before)


def test_the_digest_names_content_names_size_and_channels_but_not_the_place(make_folder, sound) -> None:
    folder, there = make_folder(sound, "here"), make_folder({f"in/{name}": data for name, data in sound.items()})
    digests = {load_dataset(folder, size=size, channels=mode).digest for size in (8, 16) for mode in ("grey", "rgb")}
    assert load_dataset(there, size=8).digest in digests
    path = folder / "Training/glioma/0.png"
    times = path.stat()
    path.write_bytes(picture(np.full((16, 16), 77, np.uint8)))
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    changed = load_dataset(folder, size=16)
    assert np.unique(changed.train.images[0]).tolist() == [77]
    path.rename(path.with_name("9.png"))
    renamed = load_dataset(folder, size=16)
    assert renamed.train.names[2] == "Training/glioma/9.png"
    assert len(digests | {changed.digest, renamed.digest}) == 6


@pytest.mark.parametrize("damage", ["cut", "flipped", "gone", "record cut", "record of another kind"])
def test_a_damaged_cache_is_made_anew(make_folder, sound, cache, damage) -> None:
    folder = make_folder(sound)
    expected = np.array(load_dataset(folder, size=16).train.images)
    record, pixels = kept(cache)
    data = pixels.read_bytes()
    if "record" in damage:
        record.write_text(record.read_text()[:20] if "cut" in damage else "[1, 2]")
    elif damage == "gone":
        pixels.unlink()
    else:
        pixels.write_bytes(data[:100] if damage == "cut" else bytes([data[0] ^ 1]) + data[1:])
    np.testing.assert_array_equal(load_dataset(folder, size=16).train.images, expected)
    assert pixels.read_bytes() == data


def test_a_cache_of_slices_is_made_anew_when_a_decoder_comes_or_changes(make_folder, sound, cache, monkeypatch) -> None:
    folder = make_folder(sound | {"Training/glioma/x.dcm": SLICE, "Training/glioma/x.nii": nifti(np.eye(8))})
    for count, change in enumerate((None, "codec", "pydicom", "nibabel"), start=1):
        if change == "codec":
            monkeypatch.setattr(decode, "installed_version", lambda package: "9.9")
        elif change:
            monkeypatch.setattr(f"{change}.__version__", "9.9")
        load_dataset(folder, size=8)
        load_dataset(folder, size=8)
        assert len(list(cache.rglob("*.json"))) == count


def test_unreadable_files_are_named_in_part_and_left_out_only_when_asked(make_folder, sound, cache, refusal) -> None:
    bad = {f"Training/{name}": b"x" for name in ("glioma/new\nline.jpg", "notumor/\udc80.png", "notumor/w.gif")}
    folder = make_folder(sound | bad)
    assert "Training/notumor/?.png (not an image)" in refusal(folder)
    assert kept(cache) == []
    for _ in range(2):
        dataset = load_dataset(folder, size=16, skip_unreadable=True)
        assert dataset.skipped == {"unreadable": 3}
        assert dataset.train.names == tuple(sorted(name for name in sound if name.startswith("Training")))
    assert "--skip-unreadable" in refusal(folder)
    many = refusal(make_folder({f"Training/glioma/a{index}.png": b"" for index in range(40)}))
    assert (many.startswith("43 "), many.count("empty file")) == (True, 3)
    files = {name: b"" if name.startswith("Testing/glioma") else data for name, data in sound.items()}
    assert "class 'glioma'" in refusal(make_folder(files, "none"), skip_unreadable=True)


def test_links_that_leave_the_folder_are_not_followed_and_a_pipe_does_not_block(make_folder, sound, tmp_path) -> None:
    folder = make_folder(sound)
    inside = folder / "Training/glioma"
    (tmp_path / "outside.png").write_bytes(sound["Training/glioma/0.png"])
    (inside / "out.png").symlink_to(tmp_path / "outside.png")
    (inside / "broken.png").symlink_to(tmp_path / "nowhere")
    (folder / "Training/up").symlink_to(tmp_path)
    (inside / "inside.png").symlink_to(inside / "0.png")
    os.mkfifo(inside / "pipe.png")
    dataset = load_dataset(folder, size=16)
    assert (dataset.skipped, len(dataset.train)) == ({"link": 3, "not a file": 1}, 7)
    assert "Training/glioma/inside.png" in dataset.train.names


def test_paths_that_do_not_exist_are_empty_or_may_not_be_read(refusal, tmp_path, make_folder, sound, monkeypatch):
    for text in (tmp_path / "nowhere", ""):
        assert "exist" in refusal(text)
    assert len(refusal("x" * 5000)) < 500
    (tmp_path / "bare").mkdir()
    assert "empty" in refusal(tmp_path / "bare")
    make_folder(sound, "phantom")
    monkeypatch.chdir(tmp_path)
    assert load_dataset("./phantom", size=16).classes == ("glioma", "notumor")
    scandir = os.scandir

    def refuse(path):
        if os.path.basename(path) == "glioma":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert "glioma': Permission denied" in refusal(tmp_path / "phantom")


def test_a_full_disk_is_reported_and_leaves_nothing(make_folder, sound, monkeypatch, cache, refusal) -> None:
    def full(path, flags, whole=open):
        if ".u8" in str(path) and "w" in flags:
            raise OSError(errno.ENOSPC, "No space left on device")
        return whole(path, flags)

    monkeypatch.setattr("mri_robust.data.cache.open", full, raising=False)
    assert "No space left" in refusal(make_folder(sound))
    assert kept(cache) == []


def test_kaggle_is_the_pinned_version_or_says_what_to_do(make_folder, sound, monkeypatch, refusal) -> None:
    folder, asked = make_folder(sound, "1"), []
    hub = SimpleNamespace(dataset_download=lambda handle: asked.append(handle) or str(folder))
    monkeypatch.setitem(sys.modules, "kagglehub", hub)
    dataset = load_dataset("kaggle", size=16)
    assert asked == ["masoudnickparvar/brain-tumor-mri-dataset/versions/1"]
    assert (dataset.name, dataset.digest) == ("kaggle", load_dataset(folder, size=16).digest)
    monkeypatch.setattr(hub, "dataset_download", lambda handle: 1 / 0)
    assert "--data FOLDER" in refusal("kaggle")
    monkeypatch.setitem(sys.modules, "kagglehub", None)
    assert "mri-robust[kaggle]" in refusal("kaggle")


@pytest.mark.parametrize("top", ["", "brains-v1/", "brains-v1\\"])
def test_a_zip_and_a_folder_of_the_same_content_are_equal(make_folder, make_zip, sound, top, cache) -> None:
    names = {name: top + (name.replace("/", "\\") if "\\" in top else name) for name in sound}
    packed = make_zip({names[name]: data for name, data in sound.items()} | {"__MACOSX/._x.png": b""})
    zipped, folder = load_dataset(packed, size=16), load_dataset(make_folder(sound), size=16)
    for one, other in ((zipped.train, folder.train), (zipped.test, folder.test)):
        np.testing.assert_array_equal(one.images, other.images)
        np.testing.assert_array_equal(one.labels, other.labels)
        assert one.names == other.names
    assert (zipped.digest, zipped.skipped) == (folder.digest, {"hidden": 1})
    assert {path.parent for path in cache.rglob("*") if path.is_file()} == {cache / "datasets"}
    packed.rename(packed.with_name("download"))
    assert load_dataset(packed.with_name("download"), size=16).digest == folder.digest


def test_what_is_no_zip_is_refused_and_a_pipe_does_not_block(make_zip, sound, refusal, tmp_path, monkeypatch) -> None:
    (tmp_path / "notes.txt").write_text("words")
    os.mkfifo(tmp_path / "pipe.png")
    for name in ("notes.txt", "pipe.png"):
        assert "neither" in refusal(tmp_path / name)
    with pytest.raises(UserError, match="neither"):
        read_scans(tmp_path / "pipe.png", size=16, channels="grey")

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    packed = make_zip(sound)
    monkeypatch.setattr(zipfile, "ZipFile", refuse)
    assert "Permission denied" in refusal(packed)
