"""Small data sets made on the spot, and a cache of their own for every test."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

Maker = Callable[..., Path]


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("MRI_ROBUST_CACHE", str(folder))
    return folder


def encoded(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return buffer.getvalue()


def tree() -> dict[str, bytes]:
    generator = np.random.default_rng(0)
    files = {}
    for split, count in (("Training", 3), ("Testing", 2)):
        for label in ("glioma", "notumor"):
            for index in range(count):
                shape = generator.integers(9, 40, 2)
                files[f"{split}/{label}/{index}.png"] = encoded(generator.integers(0, 256, shape, dtype=np.uint8))
    return files


def write_folder(root: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


def write_zip(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


@pytest.fixture
def sound() -> dict[str, bytes]:
    """Name -> bytes of a data set with nothing wrong: two classes, 3 training and 2 test images each."""
    return tree()


@pytest.fixture
def make_folder(tmp_path: Path) -> Maker:
    return lambda files, name="brains": write_folder(tmp_path / name, files)


@pytest.fixture
def make_zip(tmp_path: Path) -> Maker:
    return lambda files, name="brains.zip": write_zip(tmp_path / name, files)
