"""A run that is killed, damaged, doubled or out of room loses nothing and ends with the same bytes."""

import errno
import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny

from mri_robust.attacks.evasion import epsilon_sweep
from mri_robust.attacks.evasion.fgsm import FGSM
from mri_robust.attacks.evasion.pgd import PGD
from mri_robust.attacks.training_time.fooling_loss import FoolingLoss
from mri_robust.bench import worker
from mri_robust.bench.runner import Run
from mri_robust.core.errors import UserError
from mri_robust.evaluation import robustness
from mri_robust.evaluation.attacked_training import ClassReport
from mri_robust.evaluation.robustness import UnderAttack
from mri_robust.evaluation.worst_case import WorstCase
from mri_robust.study import zoo
from mri_robust.study.config import Config
from mri_robust.study.experiment import Experiment, load_experiment
from mri_robust.study.results_folder import ResultsFolder

TESTS = Path(__file__).parents[1]
NAME = "noisy-loss"
WRITTEN = (f"{NAME}.csv", "comparisons.csv")
Bytes, Patch = dict[str, bytes], pytest.MonkeyPatch
ALONE = f"""
import sys
from pathlib import Path
import tiny
run = tiny.tiny_run(Path(sys.argv[1]), ["{NAME}"], protocols=["paper"])
print(sum(outcome.computed for outcome in run.outcomes))
"""


def small_run(folder: Path) -> Run:
    return tiny.tiny_run(folder, [NAME], protocols=["paper"])


def start(folder: Path) -> subprocess.Popen[str]:
    """The same run in a process of its own, which prints how much it computed."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), str(TESTS.parent)])}
    command = [sys.executable, "-c", ALONE, str(folder)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an undisturbed run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MRI_ROBUST_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
        folder = tmp_path_factory.mktemp("undisturbed")
        small_run(folder)
    return folder


@pytest.fixture
def undisturbed(finished: Path) -> Bytes:
    return written(finished)


@pytest.fixture
def folder(finished: Path, tmp_path: Path) -> Path:
    """A copy of it, with its trained models."""
    return Path(shutil.copytree(finished, tmp_path / "copy"))


def written(folder: Path) -> Bytes:
    return {name: (folder / name).read_bytes() for name in WRITTEN}


def test_a_killed_training_goes_on_after_its_last_epoch(undisturbed: Bytes, tmp_path: Path) -> None:
    process = start(tmp_path)
    while not (found := list(tmp_path.glob("models/*.partial.safetensors"))) and process.poll() is None:
        time.sleep(0.001)
    process.kill()
    process.communicate()
    assert [path.name.rsplit("-", 1)[0] for path in found] == ["cnn_clean"]
    steps: list[int] = []

    def on_step(what: str, done: int, total: int) -> None:
        if what == "train cnn_clean":
            steps.append(done)

    config = Config(data=tiny.DATA, scale=tiny.SCALE, protocol="paper")
    Run([load_experiment(NAME)], [config], ResultsFolder(tmp_path), on_step=on_step).run()
    assert steps == sorted(steps)
    assert steps[0] > 32  # the first epoch was not trained again
    assert written(tmp_path) == undisturbed
    assert not list(tmp_path.glob("models/*.partial*"))


def test_two_runs_in_one_folder_share_the_work(undisturbed: Bytes, tmp_path: Path) -> None:
    process = start(tmp_path)
    while not (tmp_path / ".locks").exists() and process.poll() is None:
        time.sleep(0.001)
    here = small_run(tmp_path)
    printed, problems = process.communicate(timeout=120)
    assert process.returncode == 0, problems
    computed = sum(outcome.computed for outcome in here.outcomes if outcome)
    assert computed + int(printed) == 3 == len(list(tmp_path.glob("evaluations/*")))
    assert written(tmp_path) == undisturbed
    assert not list(tmp_path.rglob("*.damaged"))


@pytest.mark.parametrize("harm", ["cut", "edit", "empty"])
def test_what_is_damaged_is_named_and_made_again(undisturbed: Bytes, folder: Path, harm: str) -> None:
    [evaluation, *_] = sorted(folder.glob("evaluations/*.json"))
    model = folder / "models" / f"{json.loads(evaluation.read_text())['about']['model_file']}.safetensors"
    for path in (evaluation, model):
        content = path.read_bytes()
        half = len(content) // 2
        changed = {"cut": content[:half], "empty": b"", "edit": content[:-9] + bytes([content[-9] ^ 1]) + content[-8:]}
        path.write_bytes(changed[harm])
    run = small_run(folder)
    assert run.folder.json("run")["computed"] == 1
    for path in (evaluation, model):
        assert path.exists()
        assert path.with_name(f"{path.name}.damaged").exists()
        assert path.name in " ".join(run.notices())
    assert written(folder) == undisturbed


def test_a_failure_is_kept_and_tried_again(undisturbed: Bytes, folder: Path, monkeypatch: Patch) -> None:
    measure, broken = ClassReport.__call__, []
    for path in folder.glob("evaluations/*.json"):
        path.unlink()

    def breaks_once(self: ClassReport, context: Any) -> Any:
        if not broken:
            broken.append(context.asked)
            raise RuntimeError("the cat sat on the keyboard")
        return measure(self, context)

    monkeypatch.setattr(ClassReport, "__call__", breaks_once)
    run = small_run(folder)
    assert run.failures() == ["RuntimeError: the cat sat on the keyboard"]
    [failure] = folder.glob("evaluations/*.failed.json")
    assert "breaks_once" in json.loads(failure.read_text())["traceback"]
    assert run.folder.json("run")["failed"] == run.failures()
    assert written(folder) != undisturbed
    again = small_run(folder)
    assert (again.folder.json("run")["computed"], again.failures()) == (1, [])
    assert not list(folder.glob("evaluations/*.failed.json"))
    assert written(folder) == undisturbed


def test_a_full_disk_is_nobodys_failure(undisturbed: Bytes, folder: Path, monkeypatch: Patch) -> None:
    put, room = ResultsFolder.put, [1]
    for path in folder.glob("evaluations/*.json"):
        path.unlink()

    def put_while_there_is_room(self: ResultsFolder, name: str, *what: Any) -> Any:
        if not room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), name)
        room.pop()
        return put(self, name, *what)

    monkeypatch.setattr(ResultsFolder, "put", put_while_there_is_room)
    with pytest.raises(OSError, match="space"):
        small_run(folder)
    assert not list(folder.glob("evaluations/*.failed.json"))
    monkeypatch.setattr(ResultsFolder, "put", put)
    run = small_run(folder)
    assert (run.folder.json("run")["reused"], run.failures()) == (1, [])
    assert written(folder) == undisturbed


def test_a_loss_that_is_not_finite_stores_no_model(tmp_path: Path, monkeypatch: Patch) -> None:
    monkeypatch.setattr(FoolingLoss, "forward", lambda self, logits, labels: logits.sum() * float("nan"))
    with pytest.raises(UserError, match="loss is nan in epoch 1, step 1"):
        tiny.tiny_run(tmp_path, ["fooling-loss"], protocols=["paper"])
    assert {path.name.split(".", 1)[1] for path in tmp_path.glob("evaluations/*")} == {"failed.json"}
    assert not list(tmp_path.glob("models/cnn_fooling-*"))


def two_questions(config: Config) -> list[Any]:
    attacks = (None, FGSM(0.1), PGD(0.1, steps=2), PGD(0.2, norm="linf", restarts=2, steps=1))
    worst = WorstCase((0.05, 0.2), 24, steps=2, restarts=2, budget="pgd", leak_free=True)
    return [(zoo.cnn_clean(config), UnderAttack(attacks, 24, leak_free=True)), (zoo.cnn_clean(config), worst)]


def test_parts_are_kept_and_change_no_number(tmp_path: Path, monkeypatch: Patch) -> None:
    """24 images whole and in three parts of a batch of 8; the run in parts is interrupted in each of its two."""
    monkeypatch.setattr(epsilon_sweep, "BATCH", 8)
    monkeypatch.setattr(robustness, "CHUNK", 16)
    experiment = Experiment("parts", "Parts", two_questions, ("attack", "epsilon"))
    config = Config(data="phantom:train=32,test=24", scale=replace(tiny.SCALE, epochs={10: 20}))

    def run_into(name: str) -> Run:
        run = Run([experiment], [config], ResultsFolder(tmp_path / name))
        run.run()
        return run

    whole = run_into("whole")
    monkeypatch.setattr(worker, "PART_IMAGES", 8)
    measure, measured = worker.measure, []

    def cut_short(evaluation: Any, *rest: Any) -> Any:
        if evaluation.span:
            measured.append((type(evaluation).__name__, evaluation.span[0]))
            if len(measured) in (3, 6):
                raise KeyboardInterrupt
        return measure(evaluation, *rest)

    monkeypatch.setattr(worker, "measure", cut_short)
    for kept in (2, 2):  # two parts; then the whole first evaluation and a part of the second
        with pytest.raises(KeyboardInterrupt):
            run_into("parted")
        assert len(list(tmp_path.glob("parted/evaluations/*.json"))) == kept
    parted = run_into("parted")
    places = [("UnderAttack", 0), ("UnderAttack", 8), ("UnderAttack", 16), ("UnderAttack", 16)]
    assert measured == [*places, ("WorstCase", 0), ("WorstCase", 8), ("WorstCase", 8), ("WorstCase", 16)]
    assert len(list(tmp_path.glob("parted/evaluations/*.json"))) == 2
    for name in ("comparisons.csv", "images.csv"):
        assert (tmp_path / "parted" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    # What it cost counts the images that fill a batch up, and so depends on the parts.
    [one, other] = [[row for each in run.outcomes for row in each.result["rows"]] for run in (whole, parted)]
    for row, same in zip(one, other, strict=True):
        assert row == same or row["metric"] in ("gradients", "forward_passes")
    accuracies = parted.folder.table("parts").query("metric == 'accuracy' and subset == 'all'")["value"]
    assert len(np.unique(accuracies)) > 2
