"""Settings that all tests share; being here also puts `toy_models` on the import path."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

# Toy models are too small for threads, which only wait for each other on a busy machine.
os.environ.setdefault("OMP_NUM_THREADS", "1")

settings.register_profile("project", deadline=None, max_examples=25, derandomize=True)
settings.load_profile("project")


LONG = ("study", "ray", "nothing_is_lost", "examples", "docs", "extending")
"""Files that take a while begin first, so that no process waits for the last one of another; the longest leads."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order the files for several processes; tests of a file stay together, in their order."""
    places = {f"test_{name}.py": place for place, name in enumerate(LONG)}
    items.sort(key=lambda item: places.get(item.path.name, len(LONG)))


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
