"""One process at a time, whatever becomes of the others."""

import os
import signal
import subprocess
import sys
import time

import pytest

from mri_robust.core.files import locked

COUNT_UP = """
import sys
from pathlib import Path
from mri_robust.core.files import locked
counter = Path(sys.argv[1])
for _ in range(200):
    with locked(counter.with_suffix(".lock")):
        counter.write_text(str(int(counter.read_text()) + 1))
"""
HOLD = """
import sys, time
from pathlib import Path
from mri_robust.core.files import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(float(sys.argv[2]))
"""


def python(code, *arguments):
    return subprocess.Popen([sys.executable, "-c", code, *map(str, arguments)], stdout=subprocess.PIPE, text=True)


def test_counting_up_from_several_processes_loses_no_step(tmp_path):
    counter = tmp_path / "counter"
    counter.write_text("0")
    processes = [python(COUNT_UP, counter) for _ in range(4)]
    assert [process.wait(30) for process in processes] == [0] * 4
    assert counter.read_text() == "800"
    assert [path.name for path in tmp_path.iterdir()] == ["counter"]


def test_one_who_waits_is_told_so_once_and_goes_on_when_the_other_ends(tmp_path):
    holder = python(HOLD, tmp_path / "a.lock", 0.3)
    assert holder.stdout.readline() == "held\n"
    told = []
    with locked(tmp_path / "a.lock", lambda: told.append(time.monotonic())):
        assert len(told) == 1
        assert time.monotonic() - told[0] > 0.1
    assert holder.wait(10) == 0


def test_the_lock_of_a_killed_process_stops_nobody(tmp_path):
    holder = python(HOLD, tmp_path / "a.lock", 60)
    assert holder.stdout.readline() == "held\n"
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait(10)
    assert (tmp_path / "a.lock").exists()
    with locked(tmp_path / "a.lock"):
        pass
    assert not (tmp_path / "a.lock").exists()


def test_the_lock_is_given_back_after_an_error(tmp_path):
    with pytest.raises(ValueError, match="broken"), locked(tmp_path / "a.lock"):
        raise ValueError("broken")
    told = []
    with locked(tmp_path / "a.lock", lambda: told.append(1)):
        assert told == []
