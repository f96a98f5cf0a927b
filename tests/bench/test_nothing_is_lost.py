"""A bench that is killed, corrupted, doubled or out of room loses nothing and ends with the same bytes."""

import errno
import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

import mri_robust
from mri_robust.bench import certify, worker
from mri_robust.bench.store import Store
from mri_robust.cli import main
from mri_robust.evaluation import subject
from mri_robust.evaluation.measures import MEASURES
from mri_robust.study.scale import SCALES

DATA = "phantom:train=48,test=24"
SMALL = {"image_size": 16, "epochs": {10: 3, 5: 2}, "resnet_epochs": {5: 1}}
TINY_BENCH = f"""
import sys
from dataclasses import replace
from mri_robust.bench import certify
from mri_robust.study.scale import SCALES
SCALES["quick"] = replace(SCALES["quick"], **{SMALL!r})
certify.BENCH_IMAGES = 4
from mri_robust.cli import main
main(sys.argv[1:])
"""


@pytest.fixture(autouse=True)
def small(monkeypatch, tmp_path_factory):
    monkeypatch.setenv("MRI_ROBUST_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
    monkeypatch.setitem(SCALES, "quick", replace(SCALES["quick"], **SMALL))
    monkeypatch.setattr(certify, "BENCH_IMAGES", 4)


def bench(out, *arguments):
    return CliRunner().invoke(
        main, ["bench", "noisy-loss", "--data", DATA, "--threads", "1", "--out", str(out), *arguments]
    )


def start(out):
    """The same bench in a process of its own."""
    command = [
        sys.executable,
        "-c",
        TINY_BENCH,
        "bench",
        "noisy-loss",
        "--data",
        DATA,
        "--threads",
        "1",
        "--out",
        str(out),
    ]
    environment = {**os.environ, "PYTHONPATH": str(Path(mri_robust.__file__).parents[1])}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    patch = pytest.MonkeyPatch()
    patch.setenv("MRI_ROBUST_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
    patch.setitem(SCALES, "quick", replace(SCALES["quick"], **SMALL))
    patch.setattr(certify, "BENCH_IMAGES", 4)
    out = tmp_path_factory.mktemp("undisturbed")
    result = bench(out)
    patch.undo()
    assert result.exit_code == 0, result.output
    return out


def run_json(out):
    return json.loads((out / "run.json").read_text())


def same_numbers(out, undisturbed):
    return all(
        (out / name).read_bytes() == (undisturbed / name).read_bytes() for name in ("noisy-loss.csv", "comparisons.csv")
    )


def test_a_killed_training_goes_on_after_its_last_epoch(undisturbed, tmp_path):
    process = start(tmp_path)
    while not (found := list(tmp_path.glob("models/*.partial.safetensors"))) and process.poll() is None:
        time.sleep(0.002)
    process.kill()
    process.communicate()
    assert found, "the training left no checkpoint"
    left = [path for path in found if path.exists()]
    result = bench(tmp_path)
    assert result.exit_code == 0, result.output
    assert same_numbers(tmp_path, undisturbed)
    assert not list(tmp_path.glob("models/*.partial*"))
    for path in left:  # epochs that were kept carry their first seconds; of two runs those never agree
        assert path.with_name(path.name.replace(".partial", "")).exists()


def test_two_benches_in_one_folder_share_the_work(undisturbed, tmp_path):
    processes = [start(tmp_path) for _ in range(2)]
    outputs = [process.communicate(timeout=120) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outputs
    assert same_numbers(tmp_path, undisturbed)
    cells = list((tmp_path / "cells").glob("*.json"))
    assert len(cells) == len(list((undisturbed / "cells").glob("*.json")))
    assert not list(tmp_path.rglob("*.lock"))
    assert not list(tmp_path.rglob("*.damaged"))


@pytest.mark.parametrize("harm", ["cut", "edit", "empty"])
def test_damaged_cells_and_models_are_named_set_aside_and_made_again(undisturbed, tmp_path, harm):
    out = tmp_path / "results"
    assert bench(out).exit_code == 0
    cell, model = sorted(out.glob("cells/*.json"))[0], sorted(out.glob("models/*.safetensors"))[0]
    for path in (cell, model):
        content = path.read_bytes()
        half = len(content) // 2
        changed = {"cut": content[:half], "empty": b"", "edit": content[:-9] + bytes([content[-9] ^ 1]) + content[-8:]}
        path.write_bytes(changed[harm])
    result = bench(out)
    assert result.exit_code == 0, result.output
    words = " ".join(result.output.split())
    for path in (cell, model):
        assert path.name.replace("-", "") in words.replace(" ", "").replace("-", "")
        assert path.with_name(f"{path.name}.damaged").exists()
        assert path.exists()
    assert same_numbers(out, undisturbed)


def test_a_failure_is_kept_as_a_failure_the_rest_goes_on_and_it_is_tried_again(undisturbed, tmp_path, monkeypatch):
    load, broken = MEASURES.load, []

    def breaks_once(name):
        if not broken:
            broken.append(name)
            raise RuntimeError("the cat sat on the keyboard")
        return load(name)

    monkeypatch.setattr(worker.MEASURES, "load", breaks_once)
    result = bench(tmp_path)
    assert result.exit_code == 2
    assert "1 of" in result.stderr
    assert "RuntimeError: the cat sat on the keyboard" in result.stderr
    [failure] = tmp_path.glob("cells/*.failed.json")
    assert "breaks_once" in json.loads(failure.read_text())["traceback"]
    assert not same_numbers(tmp_path, undisturbed)
    again = bench(tmp_path)
    assert again.exit_code == 0, again.output
    assert run_json(tmp_path)["computed"] == 1
    assert not list(tmp_path.glob("cells/*.failed.json"))
    assert same_numbers(tmp_path, undisturbed)


def test_a_full_disk_is_one_line_and_no_failure_of_a_cell(undisturbed, tmp_path, monkeypatch):
    put, room = Store.put, [1]

    def put_while_there_is_room(self, name, result, about):
        if not room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path(name)))
        room.pop()
        put(self, name, result, about)

    monkeypatch.setattr(Store, "put", put_while_there_is_room)
    result = bench(tmp_path)
    assert result.exit_code == 2
    assert "No space left on device" in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert not list(tmp_path.glob("cells/*.failed.json"))
    monkeypatch.setattr(Store, "put", put)
    assert bench(tmp_path).exit_code == 0
    assert run_json(tmp_path)["reused"] == 1
    assert same_numbers(tmp_path, undisturbed)


def test_parts_of_a_long_measurement_are_kept_and_change_no_number(tmp_path, monkeypatch):
    """24 images in parts of 64 are one part; with batches of 8 and parts of 8 they are three."""

    def evasion(out):
        return CliRunner().invoke(main, ["bench", "fgsm", "--data", DATA, "--threads", "1", "--out", str(out)])

    monkeypatch.setattr("mri_robust.evaluation.under_attack.BATCH", 8)
    whole, parted = tmp_path / "whole", tmp_path / "parted"
    assert (undivided := evasion(whole)).exit_code == 0, undivided.output
    monkeypatch.setattr(subject, "PART_IMAGES", 8)
    measure, done = worker.Worker._keep_part, []

    def cut_after_two(self, *arguments):
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(arguments[-2:])
        return measure(self, *arguments)

    monkeypatch.setattr(worker.Worker, "_keep_part", cut_after_two)
    assert evasion(parted).exit_code == 130
    assert len(list(parted.glob("cells/*.part-*.json"))) == 2
    monkeypatch.setattr(worker.Worker, "_keep_part", measure)
    result = evasion(parted)
    assert result.exit_code == 0, result.output
    assert (parted / "fgsm.csv").read_bytes() == (whole / "fgsm.csv").read_bytes()
    assert not list(parted.glob("cells/*.part-*.json"))
