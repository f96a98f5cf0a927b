"""A few hostile cases through the program itself: what a user would see, byte for byte."""

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from corpus_folders import FOLDERS, named
from corpus_payloads import PAYLOADS
from corpus_zips import ZIPS
from sandbox import SECONDS, Sandbox, check_refusal

from mri_robust.core.errors import UserError

PROGRAM = (sys.executable, "-P", "-c", "from mri_robust.cli import main; main()")


def program(sandbox: Sandbox, *arguments: object, **environment: str) -> str | None:
    """Run the program in the sandbox, judged from outside; returns what it printed, None where it refused."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_CPU, (2 * SECONDS, 2 * SECONDS))

    def run() -> str:
        settings = {"MRI_ROBUST_CACHE": str(sandbox.cache), "HOME": str(sandbox.home), "OMP_NUM_THREADS": "1"}
        settings["MPLCONFIGDIR"] = str(sandbox.cache / "matplotlib")  # its list of fonts takes a second
        words = [os.fsencode(str(each)) for each in (*PROGRAM, *arguments)]
        started = subprocess.run(
            words,
            cwd=sandbox.work,
            env={**os.environ, **settings, **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=6 * SECONDS,
            preexec_fn=limit,
            check=False,
        )
        said, complaint = started.stdout.decode(errors="replace"), started.stderr.decode()
        if started.returncode == 2:
            check_refusal(complaint)
            raise UserError(complaint.removeprefix("Error: "))
        assert (started.returncode, complaint) == (0, "")
        return said

    art = sandbox.home / ".art"  # ART writes its settings where there are none
    (art / "data").mkdir(parents=True, exist_ok=True)
    (art / "config.json").write_text(json.dumps({"ART_DATA_PATH": str(art / "data")}))
    answer: str | None = sandbox.judge(run, calls=True)
    return answer


def test_a_data_set_is_told_of_where_the_terminal_knows_no_letters(sandbox: Sandbox) -> None:
    named("\x1b[31mré🧠")(sandbox.work / "data")
    said = program(sandbox, "data", "info", "--data", "data", PYTHONIOENCODING="ascii", PYTHONUTF8="0", LC_ALL="C")
    assert said is not None
    assert "\x1b[31m" not in said
    assert "?[31mr" in said


@pytest.mark.parametrize("name", ["overlapping-bombs", "member-0", "many-disks", "cut-0.9"])
def test_archives(name: str, sandbox: Sandbox) -> None:
    content = ZIPS[name]
    (sandbox.work / "data.zip").write_bytes(content if isinstance(content, bytes) else content())
    assert program(sandbox, "data", "info", "--data", "data.zip") is None


def test_a_pipe_is_not_waited_for_and_code_beside_the_data_is_not_imported(sandbox: Sandbox) -> None:
    FOLDERS["pipe"](sandbox.work)
    for name in ("PIL", "numpy", "click", "matplotlib", "sitecustomize"):
        (sandbox.work / f"{name}.py").write_bytes(PAYLOADS["python"](sandbox.marker))
    said = program(sandbox, "data", "preview", "--data", ".", "--out", "out/sheet.png")
    assert said == "wrote out/sheet.png\n"


def test_arguments_that_are_no_text(sandbox: Sandbox) -> None:
    assert program(sandbox, "data", "info", "--data", os.fsdecode(b"\xff\x1b[31m")) is None
    assert program(sandbox, "data", "preview", "--out", os.fsdecode(b"\xff/\xfe.jpg")) is None


def test_a_reader_that_goes_away_is_no_error(sandbox: Sandbox) -> None:
    read, write = os.pipe()
    os.close(read)
    ended = subprocess.run(
        [*PROGRAM, "bench", "--help"], cwd=sandbox.work, stdout=write, stderr=subprocess.PIPE, timeout=60, check=False
    )
    os.close(write)
    assert (ended.returncode, ended.stderr) == (1, b"")  # as click has it


def test_a_model_with_code_in_it_is_not_run(sandbox: Sandbox) -> None:
    pickled: Path = sandbox.work / "model.pth"
    pickled.write_bytes(PAYLOADS["pickle-shell"](sandbox.marker))
    assert program(sandbox, "audit", "--model", "model.pth", "--out", "out") is None
