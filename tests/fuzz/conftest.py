"""Sandboxes for hostile cases."""

import platform
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import art.config  # noqa: F401 - writes its settings into the home folder when it is first imported
import matplotlib.font_manager  # noqa: F401 - looks for fonts, by programs and into the home folder, once
import pytest
from sandbox import Sandbox

from mri_robust.core.machine import one_thread

platform.processor()  # asks the program `uname`, once

Sandboxes = Callable[[], "contextmanager[Sandbox]"]


@pytest.fixture(scope="session")
def sandboxes(tmp_path_factory: pytest.TempPathFactory) -> Sandboxes:
    """A function whose context is a new sandbox; all share a cache, which may be written."""
    base, cache = tmp_path_factory.mktemp("fuzz"), tmp_path_factory.mktemp("fuzz-cache")
    numbers = iter(range(10**9))

    @contextmanager
    def new() -> Iterator[Sandbox]:
        root = base / str(next(numbers))
        yield Sandbox(root, cache)
        shutil.rmtree(root)  # a failure leaves it to be looked at

    return new


@pytest.fixture
def sandbox(sandboxes: Sandboxes) -> Iterator[Sandbox]:
    """A sandbox for one test."""
    with sandboxes() as one:
        yield one


@pytest.fixture(autouse=True)
def single() -> Iterator[None]:
    """One thread, for those that wait count as computing; also after `--threads`, which is for the whole process."""
    with one_thread():
        yield
