"""A run as Ray tasks gives the same bytes as in one process, also when a worker is killed."""

import contextlib
import os
import signal
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import tiny

from mri_robust.bench import executors
from mri_robust.bench.runner import Run
from mri_robust.bench.worker import ExecutorOptions, Outcome, Task
from mri_robust.core.errors import UserError
from mri_robust.core.progress import silent
from mri_robust.study.config import Config
from mri_robust.study.experiment import load_experiment
from mri_robust.study.results_folder import ResultsFolder

pytest.importorskip("ray", reason="Ray is not installed: pip install 'mri-robust[ray]'")
NAME = "noisy-loss"


def own_workers(function: str) -> list[int]:
    """Processes that run a function for this one's Ray."""
    parents, wanted = {}, []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            parents[int(folder.name)] = int((folder / "stat").read_text().rsplit(")", 1)[1].split()[1])
            if f"ray::{function}" in (folder / "cmdline").read_text():
                wanted.append(int(folder.name))

    def mine(pid: int) -> bool:
        return pid == os.getpid() or (pid in parents and mine(parents[pid]))

    return [pid for pid in wanted if mine(pid)]


def test_what_two_experiments_ask_is_submitted_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second would hold its CPUs while it waits for the first, whose parts may need them."""
    submitted: list[Task] = []
    ray = SimpleNamespace(wait=lambda refs, num_returns: (refs[-1:], []), get=lambda ref: Outcome(None, str(ref)))
    monkeypatch.setattr(executors, "_start", lambda options: SimpleNamespace(**vars(ray), shutdown=lambda: None))
    monkeypatch.setattr(executors._Cluster, "run", lambda self, task: submitted.append(task) or len(submitted))
    config, names = Config(scale=tiny.SCALE, data=tiny.DATA), ("worst-case", "artefacts")
    tasks = [Task(name, config, *asked) for name in names for asked in load_experiment(name).tasks(config)]
    worker = SimpleNamespace(folder=SimpleNamespace(path=tmp_path), on_step=silent)
    found = dict(executors.run_ray(worker, tasks, ExecutorOptions("ray")))  # type: ignore[arg-type]
    assert sorted(found) == list(range(len(tasks)))
    assert len({(task.model, task.evaluation) for task in tasks}) == len(submitted) < len(tasks)
    for place, task in enumerate(tasks):
        answered = submitted[int(found[place].error) - 1]
        assert (answered.model, answered.evaluation) == (task.model, task.evaluation)
    assert sum(outcome.computed for outcome in found.values()) == len(submitted)


def test_ray_gives_the_bytes_of_the_local_run_also_when_a_worker_is_killed(tmp_path: Path) -> None:
    tiny.tiny_run(tmp_path / "local", [NAME], protocols=["paper"])
    killed: list[int] = []
    ended = threading.Event()

    def kill_one() -> None:
        while not killed and not ended.wait(0.005):
            for pid in own_workers("_train")[:1]:
                time.sleep(0.1)
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                    killed.append(pid)

    killer = threading.Thread(target=kill_one)
    killer.start()
    try:
        run = tiny.tiny_run(tmp_path / "ray", [NAME], protocols=["paper"], executor="ray")
    finally:
        ended.set()
        killer.join()
    assert killed
    for name in (f"{NAME}.csv", "comparisons.csv"):
        assert (tmp_path / "ray" / name).read_bytes() == (tmp_path / "local" / name).read_bytes(), name
    about = run.folder.json("run")
    assert (about["executor"], about["failed"], about["computed"]) == ("ray", [], 3)


def test_a_cluster_that_is_not_there_is_told(tmp_path: Path) -> None:
    config = Config(data=tiny.DATA, scale=tiny.SCALE)
    executor = ExecutorOptions("ray", address="127.0.0.1:1")
    with pytest.raises(UserError, match=r"127\.0\.0\.1:1"):
        Run([load_experiment(NAME)], [config], ResultsFolder(tmp_path), executor=executor).run()
