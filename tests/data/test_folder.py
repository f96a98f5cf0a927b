"""Folders of images, and the cache behind them."""

from __future__ import annotations

import errno
import io
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mri_robust.core.errors import UserError
from mri_robust.data import reading
from mri_robust.data.dataset import load_dataset
from mri_robust.data.reading import ImageDataset
from mri_robust.data.sources.folder import SOURCE

Maker = Callable[..., Path]
Files = dict[str, bytes]


def kept(cache: Path) -> list[Path]:
    return sorted(path for path in cache.rglob("*") if path.is_file())


def refusal(source: Path | str, **options: bool) -> str:
    with pytest.raises(UserError) as caught:
        load_dataset(source, size=16, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("channels", ["grey", "rgb"])
def test_a_folder_is_loaded_as_pillow_reads_it(make_folder: Maker, sound: Files, channels: str) -> None:
    dataset = load_dataset(make_folder(sound), size=16, channels=channels)
    assert dataset.name == "brains"
    assert dataset.classes == ("glioma", "notumor")
    assert dataset.channels == channels
    assert dataset.size == 16
    assert dataset.train.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert dataset.test.labels.dtype == np.int64
    assert dataset.train.names[3] == "Training/notumor/0.png"
    for split in (dataset.train, dataset.test):
        assert not split.images.flags.writeable
        for name, image in zip(split.names, split.images, strict=True):
            picture = Image.open(io.BytesIO(sound[name])).convert("L" if channels == "grey" else "RGB")
            expected = np.asarray(picture.resize((16, 16), Image.Resampling.BILINEAR))
            np.testing.assert_array_equal(image.transpose(1, 2, 0).squeeze(), expected)


def test_original_sizes_are_counted(make_folder: Maker, sound: Files) -> None:
    dataset = load_dataset(make_folder(sound), size=16)
    assert isinstance(dataset, ImageDataset)
    assert sum(dataset.original_sizes.values()) == len(sound)
    width, height = Image.open(io.BytesIO(sound["Training/glioma/0.png"])).size
    assert f"{width} x {height}" in dataset.original_sizes


def test_the_second_load_decodes_nothing(
    make_folder: Maker, sound: Files, monkeypatch: pytest.MonkeyPatch, cache: Path
) -> None:
    folder = make_folder(sound)
    first = load_dataset(folder, size=16)
    before = kept(cache)
    assert len(before) == 2

    def refuse(*_: object) -> None:
        raise AssertionError("decoded again")

    monkeypatch.setattr(reading, "decode", refuse)
    second = load_dataset(folder, size=16)
    np.testing.assert_array_equal(first.train.images, second.train.images)
    assert second.digest == first.digest
    assert second.train.names == first.train.names
    assert kept(cache) == before


def test_changed_content_is_noticed_though_size_and_time_stay(make_folder: Maker, sound: Files) -> None:
    folder = make_folder(sound)
    first = load_dataset(folder, size=16)
    path = folder / "Training/glioma/0.png"
    times = path.stat()
    buffer = io.BytesIO()
    Image.new("L", (16, 16), 77).save(buffer, format="PNG")
    path.write_bytes(buffer.getvalue())
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    second = load_dataset(folder, size=16)
    assert np.unique(second.train.images[0]).tolist() == [77]
    assert second.digest != first.digest
    path.rename(path.with_name("9.png"))
    third = load_dataset(folder, size=16)
    assert third.train.names[2] == "Training/glioma/9.png"
    assert third.digest not in (first.digest, second.digest)


def test_digest_names_size_and_channels_but_not_the_place(make_folder: Maker, sound: Files) -> None:
    here, there = make_folder(sound, "here"), make_folder({f"in/{name}": data for name, data in sound.items()}, "there")
    digests = {load_dataset(here, size=size, channels=mode).digest for size in (8, 16) for mode in ("grey", "rgb")}
    assert len(digests) == 4
    assert load_dataset(there, size=8).digest == load_dataset(here, size=8).digest


@pytest.mark.parametrize("damage", ["cut", "flipped", "gone", "record cut", "record of another kind"])
def test_a_damaged_cache_is_made_anew(make_folder: Maker, sound: Files, cache: Path, damage: str) -> None:
    folder = make_folder(sound)
    expected = np.array(load_dataset(folder, size=16).train.images)
    record, pixels = kept(cache)
    data = pixels.read_bytes()
    if damage == "cut":
        pixels.write_bytes(data[:100])
    elif damage == "flipped":
        pixels.write_bytes(bytes([data[0] ^ 1]) + data[1:])
    elif damage == "gone":
        pixels.unlink()
    elif damage == "record cut":
        record.write_text(record.read_text()[:20])
    else:
        record.write_text("[1, 2]")
    np.testing.assert_array_equal(load_dataset(folder, size=16).train.images, expected)
    assert pixels.read_bytes() == data


def test_skipped_files_are_counted(make_folder: Maker, sound: Files) -> None:
    extra = {"Training/.DS_Store": b"", "Training/glioma/._0.png": b"x", "Testing/notumor/list.csv": b"a,b"}
    dataset = load_dataset(make_folder(sound | extra), size=16)
    assert dataset.skipped == {"hidden": 2, "not an image": 1}
    assert len(dataset.train) == 6


BAD = {"Training/glioma/bad.jpg": b"", "Training/notumor/cut.png": b"\x89PNG\r\n\x1a\n", "Testing/glioma/w.gif": b"hi"}


def test_unreadable_files_are_named_and_nothing_is_left(make_folder: Maker, sound: Files, cache: Path) -> None:
    message = refusal(make_folder(sound | BAD))
    assert message.startswith("3 image files in ")
    assert "Training/glioma/bad.jpg (empty file)" in message
    assert "Testing/glioma/w.gif (not an image)" in message
    assert "--skip-unreadable" in message
    assert kept(cache) == []


def test_many_unreadable_files_are_named_in_part(make_folder: Maker, sound: Files) -> None:
    message = refusal(make_folder(sound | {f"Training/glioma/x{index}.png": b"" for index in range(40)}))
    assert message.startswith("40 image files")
    assert message.count("empty file") == 3


def test_unreadable_files_can_be_skipped_and_are_still_refused_without_leave(make_folder: Maker, sound: Files) -> None:
    folder = make_folder(sound | BAD)
    for _ in range(2):
        dataset = load_dataset(folder, size=16, skip_unreadable=True)
        assert dataset.skipped == {"unreadable": 3}
        assert dataset.train.names == tuple(sorted(name for name in sound if name.startswith("Training")))
        assert len(dataset.test) == 4
    assert "3 image files" in refusal(folder)


def test_a_class_with_nothing_readable_is_refused(make_folder: Maker, sound: Files, cache: Path) -> None:
    files = {name: b"" if name.startswith("Testing/glioma") else data for name, data in sound.items()}
    message = refusal(make_folder(files), skip_unreadable=True)
    assert "class 'glioma' has no readable image in Testing" in message
    assert kept(cache) == []


def test_links_that_leave_the_folder_are_not_followed(make_folder: Maker, sound: Files, tmp_path: Path) -> None:
    folder = make_folder(sound)
    outside = tmp_path / "outside.png"
    outside.write_bytes(sound["Training/glioma/0.png"])
    (folder / "Training/glioma/out.png").symlink_to(outside)
    (folder / "Training/glioma/broken.png").symlink_to(tmp_path / "nowhere")
    (folder / "Training/up").symlink_to(tmp_path)
    (folder / "Training/glioma/inside.png").symlink_to(folder / "Training/glioma/0.png")
    dataset = load_dataset(folder, size=16)
    assert dataset.skipped == {"link": 3}
    assert "Training/glioma/inside.png" in dataset.train.names
    assert len(dataset.train) == 7


def test_a_pipe_called_like_an_image_does_not_block(make_folder: Maker, sound: Files) -> None:
    folder = make_folder(sound)
    os.mkfifo(folder / "Training/glioma/pipe.png")
    assert load_dataset(folder, size=16).skipped == {"not a file": 1}


def test_odd_names_are_no_trouble(make_folder: Maker, sound: Files) -> None:
    odd = {f"Training/glioma/{name}.png": b"" for name in ("new\nline", "\udc80byte", "[red]")}
    assert "new?line" in refusal(make_folder(sound | odd))
    assert load_dataset(make_folder(sound | odd), size=16, skip_unreadable=True).skipped == {"unreadable": 3}


def test_a_path_that_does_not_exist(tmp_path: Path) -> None:
    assert "does not exist" in refusal(tmp_path / "nowhere")
    assert "does not exist" in refusal("")
    assert len(refusal("x" * 5000)) < 500


def test_a_word_that_names_a_source_is_not_a_folder(
    make_folder: Maker, sound: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_folder(sound, "phantom")
    monkeypatch.chdir(tmp_path)
    assert not SOURCE.accepts("phantom")
    assert load_dataset("./phantom", size=16).classes == ("glioma", "notumor")


def test_an_empty_folder(tmp_path: Path) -> None:
    assert f"'{tmp_path}' is empty" in refusal(tmp_path)


def test_a_folder_that_may_not_be_read(make_folder: Maker, sound: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make_folder(sound)
    scandir = os.scandir

    def refuse(path: Path) -> object:
        if Path(path).name == "glioma":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    message = refusal(folder)
    assert "glioma': Permission denied" in message


def test_a_full_disk_is_reported_and_leaves_nothing(
    make_folder: Maker, sound: Files, monkeypatch: pytest.MonkeyPatch, cache: Path
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("mri_robust.data.cache.Writer.add", full)
    assert "No space left on device; free some space" in refusal(make_folder(sound))
    assert kept(cache) == []
