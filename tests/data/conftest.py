"""Small data sets made on the spot, and a cache of their own for every test."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from medical_files import folder_of, picture, zip_of

from mri_robust.core.errors import UserError
from mri_robust.data.dataset import load_dataset


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MRI_ROBUST_CACHE", str(folder := tmp_path_factory.mktemp("cache")))
    return folder


@pytest.fixture
def sound() -> dict[str, bytes]:
    """Name -> bytes of a data set with nothing wrong: two classes, 3 training and 2 test images each."""
    generator, files = np.random.default_rng(0), {}
    for split, count in (("Training", 3), ("Testing", 2)):
        for name in (f"{split}/{label}/{index}.png" for label in ("glioma", "notumor") for index in range(count)):
            files[name] = picture(generator.integers(0, 256, generator.integers(9, 40, 2), dtype=np.uint8))
    return files


@pytest.fixture
def make_folder(tmp_path: Path) -> Callable[..., Path]:
    return lambda files, name="brains": folder_of(files, tmp_path / name)


@pytest.fixture
def make_zip(tmp_path: Path) -> Callable[..., Path]:
    return lambda files: zip_of(files, tmp_path / "brains.zip")


@pytest.fixture
def refusal() -> Callable[..., str]:
    """What is said of a source that cannot be loaded."""

    def refuse(source: Path | str, **options: bool) -> str:
        with pytest.raises(UserError) as caught:
            load_dataset(source, size=16, **options)
        return str(caught.value)

    return refuse
