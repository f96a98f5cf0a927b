"""A bench run as Ray tasks gives the same bytes, also when its workers are killed."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

import mri_robust
from mri_robust.bench import certify
from mri_robust.cli import main
from mri_robust.study.scale import SCALES

pytest.importorskip("ray", reason="Ray is not installed: pip install 'mri-robust[ray]'")

DATA = "phantom:train=48,test=24"
SMALL = {"image_size": 16, "epochs": {10: 2, 5: 1}, "resnet_epochs": {5: 1}}
RAY_BENCH = f"""
import sys
from dataclasses import replace
from mri_robust.bench import certify
from mri_robust.study.scale import SCALES
SCALES["quick"] = replace(SCALES["quick"], **{SMALL!r})
certify.BENCH_IMAGES = 4
from mri_robust.cli import main
main(sys.argv[1:])
"""


def arguments(out, *more):
    return ["bench", "noisy-loss", "fgsm", "--data", DATA, "--threads", "1", "--out", str(out), *more]


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def local(tmp_path_factory, cache):
    """The run of one process."""
    patch = pytest.MonkeyPatch()
    patch.setenv("MRI_ROBUST_CACHE", str(cache))
    patch.setitem(SCALES, "quick", replace(SCALES["quick"], **SMALL))
    patch.setattr(certify, "BENCH_IMAGES", 4)
    out = tmp_path_factory.mktemp("local")
    result = CliRunner().invoke(main, arguments(out))
    patch.undo()
    assert result.exit_code == 0, result.output
    return out


def start_with_ray(out, cache):
    environment = {
        **os.environ,
        "MRI_ROBUST_CACHE": str(cache),
        "PYTHONPATH": str(Path(mri_robust.__file__).parents[1]),
    }
    command = [sys.executable, "-c", RAY_BENCH, *arguments(out, "--executor", "ray")]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def ray_workers(of):
    """Processes that run a task now."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if f"ray::{of}" in (folder / "cmdline").read_text():
                found.append(int(folder.name))
        except OSError:
            pass
    return found


def test_ray_gives_the_bytes_of_the_local_run_also_when_a_worker_is_killed(local, cache, tmp_path):
    process = start_with_ray(tmp_path, cache)
    killed, waiting = [], threading.Event()

    def kill_one():
        while not killed and not waiting.wait(0.01):
            for pid in ray_workers("_make"):
                time.sleep(0.2)
                try:
                    os.kill(pid, signal.SIGKILL)
                    killed.append(pid)
                    return
                except ProcessLookupError:
                    pass

    killer = threading.Thread(target=kill_one)
    killer.start()
    output = process.communicate(timeout=240)
    waiting.set()
    killer.join()
    assert process.returncode == 0, output
    assert killed
    for name in ("noisy-loss.csv", "fgsm.csv", "comparisons.csv"):
        assert (tmp_path / name).read_bytes() == (local / name).read_bytes(), name
    run = json.loads((tmp_path / "run.json").read_text())
    assert (run["executor"], run["failed"]) == ("ray", [])
    assert not list(tmp_path.rglob("*.lock"))


def test_a_cluster_that_is_not_there_is_one_line(tmp_path, monkeypatch, cache):
    monkeypatch.setenv("MRI_ROBUST_CACHE", str(cache))
    monkeypatch.setitem(SCALES, "quick", replace(SCALES["quick"], **SMALL))
    result = CliRunner().invoke(main, arguments(tmp_path, "--executor", "ray", "--ray-address", "127.0.0.1:1"))
    assert result.exit_code == 2
    assert "cannot join the Ray cluster at '127.0.0.1:1'" in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
