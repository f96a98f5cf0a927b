"""Settings that all tests share; being here also puts `toy_models` on the import path."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

# Toy models are too small for threads, which only wait for each other on a busy machine.
os.environ.setdefault("OMP_NUM_THREADS", "1")

settings.register_profile("project", deadline=None, max_examples=25, derandomize=True)
settings.load_profile("project")


LONG = {
    *("test_examples.py", "test_third_party.py", "test_docs.py", "test_extending.py", "test_study.py"),
    *("test_nothing_is_lost.py", "test_ray.py"),
}
"""Files that take a while: they begin first, so that no process waits for the last one of another."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order the files for several processes; tests of a file stay together, in their order."""
    items.sort(key=lambda item: item.path.name not in LONG)


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    """No test reads or writes the user's cache."""
    monkeypatch.setenv("MRI_ROBUST_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture(scope="session")
def study_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of every experiment under both protocols, see `tiny`. Tests that change it copy it."""
    import tiny

    folder = tmp_path_factory.mktemp("study") / "results"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MRI_ROBUST_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
        tiny.tiny_study(folder)
    return folder
