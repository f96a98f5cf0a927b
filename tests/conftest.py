"""Settings that all tests share; being here also puts `toy_models` on the import path."""

from __future__ import annotations

import os

import pytest
from hypothesis import settings

# Toy models are too small for threads, which only wait for each other on a busy machine.
os.environ.setdefault("OMP_NUM_THREADS", "1")

settings.register_profile("project", deadline=None, max_examples=25, derandomize=True)
settings.load_profile("project")


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    """No test reads or writes the user's cache."""
    monkeypatch.setenv("MRI_ROBUST_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
