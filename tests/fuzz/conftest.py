"""Sandboxes for hostile cases, and the table of what became of all."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import art.config  # noqa: F401 - writes its settings into the home folder when it is first imported
import matplotlib.font_manager  # noqa: F401 - looks for fonts, by programs and into the home folder, once
import pytest
from sandbox import OUTCOMES, Sandbox

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


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print how many cases each surface took, refused and failed; in one process (`-n 0`), for each keeps its own."""
    if not OUTCOMES:
        return
    heads = ("accepted", "refused", "failed")
    rows = [(surface, *(tally[head] for head in heads)) for surface, tally in sorted(OUTCOMES.items())]
    rows.append(("all", *(sum(row[column] for row in rows) for column in (1, 2, 3))))
    terminalreporter.section("hostile cases by outcome")
    terminalreporter.write_line(f"{'':<24}" + "".join(f"{head:>10}" for head in (*heads, "cases")))
    for surface, *counts in rows:
        terminalreporter.write_line(f"{surface:<24}" + "".join(f"{count:>10}" for count in (*counts, sum(counts))))
