"""Files that are whole or absent, and locks that outlive nobody."""

import os
import signal
import stat
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from mri_robust.core.errors import UserError
from mri_robust.core.files import cache_folder, locked, set_aside, writable_folder, write_text, written_aside

IMPORTS = """
import sys, time
from pathlib import Path
from mri_robust.core.files import locked
"""
COUNT_UP = """
counter = Path(sys.argv[1])
for _ in range(50):
    with locked(counter.with_suffix(".lock")):
        counter.write_text(str(int(counter.read_text()) + 1))
"""
HOLD = """
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(float(sys.argv[2]))
"""


def python(code: str, *arguments: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", IMPORTS + code, *map(str, arguments)], stdout=subprocess.PIPE, text=True
    )


def test_a_file_is_moved_into_place_whole(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "result.json"
    with written_aside(path) as aside:
        assert (aside.parent, aside.suffix) == (path.parent, ".json")
        aside.write_text("new")
        assert not path.exists()
    assert path.read_text() == "new"
    write_text(path, "å\n\udcff\r")
    assert path.read_bytes() == "å\n\\udcff\r".encode()
    assert [file.name for file in path.parent.iterdir()] == ["result.json"]
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~mask


@pytest.mark.parametrize("old", [None, "old"])
@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, old: str | None, error: type[BaseException]
) -> None:
    path = tmp_path / "result.json"
    if old is not None:
        path.write_text(old)
    with suppress(error), written_aside(path) as aside:
        aside.write_text("half of the")
        raise error
    assert [file.read_text() for file in tmp_path.iterdir()] == ([] if old is None else [old])


def test_what_is_no_file_is_not_replaced_and_a_damaged_file_is_renamed(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not a file"):
        write_text(tmp_path, "x")
    (tmp_path / "a.json").write_text("{")
    assert set_aside(tmp_path / "a.json").read_text() == "{"
    assert [file.name for file in tmp_path.iterdir()] == ["a.json.damaged"]


def test_folders_are_made_or_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MRI_ROBUST_CACHE", str(tmp_path / "here"))
    assert cache_folder("a", "b") == tmp_path / "here" / "a" / "b"
    assert (tmp_path / "here" / "a" / "b").is_dir()
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="folder"):
        writable_folder(tmp_path / "file" / "below")


def test_counting_up_from_several_processes_loses_no_step(tmp_path: Path) -> None:
    counter = tmp_path / "counter"
    counter.write_text("0")
    processes = [python(COUNT_UP, counter) for _ in range(3)]
    assert [process.wait(60) for process in processes] == [0] * 3
    assert counter.read_text() == "150"


def test_one_who_waits_is_told_once_and_continues_when_the_other_ends(tmp_path: Path) -> None:
    holder = python(HOLD, tmp_path / "new" / "a.lock", 0.3)
    assert holder.stdout
    assert holder.stdout.readline() == "held\n"
    told: list[float] = []
    with locked(tmp_path / "new" / "a.lock", lambda: told.append(time.monotonic())):
        assert len(told) == 1
        assert time.monotonic() - told[0] > 0.1
    assert holder.wait(10) == 0


def test_the_lock_of_a_killed_process_and_of_a_failed_block_stops_nobody(tmp_path: Path) -> None:
    holder, told = python(HOLD, tmp_path / "a.lock", 60), threading.Event()
    assert holder.stdout
    assert holder.stdout.readline() == "held\n"
    threading.Thread(target=lambda: told.wait(10) and os.kill(holder.pid, signal.SIGKILL)).start()
    with suppress(KeyError), locked(tmp_path / "a.lock", told.set):
        assert holder.wait(10) == -signal.SIGKILL
        raise KeyError
    with locked(tmp_path / "a.lock", lambda: pytest.fail("nobody holds it")):
        pass
