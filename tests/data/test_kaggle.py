"""The download from Kaggle, with a stand-in for kagglehub."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from mri_robust.core.errors import UserError
from mri_robust.data.dataset import load_dataset

Maker = Callable[..., Path]


def test_the_pinned_version_is_downloaded_and_read(
    make_folder: Maker, sound: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_folder(sound, "1")
    asked = []
    hub = SimpleNamespace(dataset_download=lambda handle: asked.append(handle) or str(folder))
    monkeypatch.setitem(sys.modules, "kagglehub", hub)
    dataset = load_dataset("kaggle", size=16)
    assert asked == ["masoudnickparvar/brain-tumor-mri-dataset/versions/1"]
    assert dataset.name == "kaggle"
    assert dataset.digest == load_dataset(folder, size=16).digest


def test_without_the_extra_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "kagglehub", None)
    with pytest.raises(UserError) as caught:
        load_dataset("kaggle", size=16)
    assert "pip install 'mri-robust[kaggle]'" in str(caught.value)


def test_a_failed_download_says_how_to_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(handle: str) -> str:
        raise ConnectionError("no\nnetwork")

    monkeypatch.setitem(sys.modules, "kagglehub", SimpleNamespace(dataset_download=fail))
    with pytest.raises(UserError) as caught:
        load_dataset("kaggle", size=16)
    message = str(caught.value)
    assert "by hand" in message
    assert "--data FOLDER" in message
    assert "\n" not in message
