"""Whatever lies in a results folder: the report is written, or the folder refused in one line."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from corpus_payloads import PAYLOADS
from corpus_results import CELL, CERTIFICATE, RESULTS, STANDINS, TABLES, cell, run, table, write
from hypothesis import given
from hypothesis import strategies as st
from made_up import made_up, spoilings
from rich.console import Console
from sandbox import Sandbox

from mri_robust.bench.store import Store
from mri_robust.core.hashing import digest
from mri_robust.report.markdown import write_report
from mri_robust.report.results import open_results
from mri_robust.report.terminal import print_tables

Sandboxes = Callable[[], AbstractContextManager[Sandbox]]


def report(sandbox: Sandbox, folder: Path) -> Path | None:
    """Open, report and print a results folder, which is the output; returns the report where there is one."""
    results = sandbox.judge("open_results", lambda: open_results(folder))
    if results is None:
        return None
    sandbox.judge("print_tables", lambda: print_tables(folder, Console(quiet=True)))
    sandbox.judge("write_report", lambda: write_report(folder))
    sandbox.command("report", folder)
    return folder / "report.md" if (folder / "report.md").exists() else None


def test_the_folder_that_all_others_come_from_is_whole(sandbox: Sandbox) -> None:
    assert report(sandbox, write(sandbox.out))


@pytest.mark.parametrize("kind", RESULTS)
def test_cells_that_all_others_come_from_are_drawn(kind: str, sandbox: Sandbox) -> None:
    written = report(sandbox, write(sandbox.out, cell=cell(RESULTS[kind])))
    assert written is not None
    assert f"noisy-loss-sound-{kind}.png" in written.read_text()


@pytest.mark.parametrize("part", ["run", "certificate", "table", "cell"])
@pytest.mark.parametrize("name", STANDINS)
def test_something_else_in_place_of_a_file(name: str, part: str, sandbox: Sandbox) -> None:
    written = report(sandbox, write(sandbox.out, **{part: STANDINS[name]}))
    assert written is None or (part, name) in {("cell", "absent"), ("cell", "loop")}
    if part == "cell" and name not in ("pipe", "zeros", "folder", "loop"):
        assert sandbox.judge("Store.get", lambda: Store(sandbox.out / "cells").get(CELL)) is None


@pytest.mark.parametrize("name", PAYLOADS)
def test_code_in_a_results_folder_is_never_run(name: str, sandbox: Sandbox) -> None:
    content = PAYLOADS[name](sandbox.marker)
    for number, part in enumerate(("run", "certificate", "table", "cell")):
        assert report(sandbox, write(sandbox.out / str(number), **{part: content})) is None


@pytest.mark.parametrize("name", TABLES)
def test_tables_that_no_bench_writes(name: str, sandbox: Sandbox) -> None:
    report(sandbox, write(sandbox.out, table=TABLES[name]))


@pytest.mark.parametrize("name", ["../../secret", "/etc/passwd", "", "a" * 300, "..", "x\0y", "\x1b[31m"])
def test_names_of_cells_do_not_point_out(name: str, sandbox: Sandbox) -> None:
    told = run()
    told["cells"] = {"noisy-loss": [name]}
    assert report(sandbox, write(sandbox.out, run=told)) is None


@made_up(25)
@given(layout=st.sampled_from(["fgsm", "loss"]), data=st.data())
def test_spoilt_run_files(layout: str, data: st.DataObject, sandboxes: Sandboxes) -> None:
    part = data.draw(st.sampled_from(["run", "certificate"]))
    content = data.draw(spoilings(run(layout) if part == "run" else CERTIFICATE))
    with sandboxes() as sandbox:
        report(sandbox, write(sandbox.out, layout, **{part: content}))


@made_up(30)
@given(kind=st.sampled_from(sorted(RESULTS)), data=st.data(), resealed=st.booleans())
def test_spoilt_cells(kind: str, data: st.DataObject, resealed: bool, sandboxes: Sandboxes) -> None:
    content: dict[str, Any] = data.draw(spoilings(cell(RESULTS[kind])))
    if resealed and "about" in content and "result" in content:
        content["checksum"] = _seal(content)
    with sandboxes() as sandbox:
        report(sandbox, write(sandbox.out, cell=content))
        kept = sandbox.judge("Store.get", lambda: Store(sandbox.out / "cells").get(CELL))
        assert kept is None or isinstance(kept, dict)


@made_up(15)
@given(
    layout=st.sampled_from(["fgsm", "loss"]),
    place=st.integers(0, 10**6),
    odd=st.sampled_from([*'x,;\n"', "1e99", "=", "é", ""]),
)
def test_spoilt_tables(layout: str, place: int, odd: str, sandboxes: Sandboxes) -> None:
    text = table(layout)
    place %= len(text)
    with sandboxes() as sandbox:
        report(sandbox, write(sandbox.out, layout, table=text[:place] + odd + text[place + 1 :]))


def _seal(content: dict[str, Any]) -> str:
    try:
        return digest([content["about"], content["result"]])
    except ValueError:
        return "not finite"
