"""Zip files beside folders; tests/fuzz has the hostile ones."""

import os
import zipfile

import numpy as np
import pytest

from mri_robust.core.errors import UserError
from mri_robust.data.dataset import load_dataset
from mri_robust.data.scans import read_scans


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
