"""Small data sets made on the spot, and a cache of their own for every test."""

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mri_robust.core.errors import UserError
from mri_robust.data.dataset import load_dataset


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MRI_ROBUST_CACHE", str(folder := tmp_path_factory.mktemp("cache")))
    return folder


@pytest.fixture
def encoded() -> Callable[..., bytes]:
    def encode(pixels: np.ndarray, kind: str = "PNG") -> bytes:
        buffer = io.BytesIO()
        Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, format=kind)
        return buffer.getvalue()

    return encode


@pytest.fixture
def sound(encoded: Callable[..., bytes]) -> dict[str, bytes]:
    """Name -> bytes of a data set with nothing wrong: two classes, 3 training and 2 test images each."""
    generator, files = np.random.default_rng(0), {}
    for split, count in (("Training", 3), ("Testing", 2)):
        for name in (f"{split}/{label}/{index}.png" for label in ("glioma", "notumor") for index in range(count)):
            files[name] = encoded(generator.integers(0, 256, generator.integers(9, 40, 2), dtype=np.uint8))
    return files


@pytest.fixture
def make_folder(tmp_path: Path) -> Callable[..., Path]:
    def make(files: dict[str, bytes], name: str = "brains") -> Path:
        for file, content in files.items():
            (tmp_path / name / file).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name / file).write_bytes(content)
        return tmp_path / name

    return make


@pytest.fixture
def make_zip(tmp_path: Path) -> Callable[..., Path]:
    def make(files: dict[str, bytes]) -> Path:
        with zipfile.ZipFile(tmp_path / "brains.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            for file, content in files.items():
                archive.writestr(file, content)
        return tmp_path / "brains.zip"

    return make


@pytest.fixture
def refusal() -> Callable[..., str]:
    """What is said of a source that cannot be loaded."""

    def refuse(source: Path | str, **options: bool) -> str:
        with pytest.raises(UserError) as caught:
            load_dataset(source, size=16, **options)
        return str(caught.value)

    return refuse
