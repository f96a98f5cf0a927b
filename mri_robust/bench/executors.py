"""Who runs the tasks of a run: this process, or Ray's workers (https://www.ray.io). Numbers do not depend on it."""

import socket
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from mri_robust.bench.worker import ExecutorOptions, Outcome, Task, Worker
from mri_robust.core.errors import UserError
from mri_robust.core.machine import keep_freed_memory
from mri_robust.core.packages import import_extra
from mri_robust.study.config import Config
from mri_robust.study.recipe import Recipe
from mri_robust.study.results_folder import Result, ResultsFolder

RETRIES = 5  # times that a task is run again after its worker was lost; what it had stored stays stored
LOOPBACK = "127.0.0.1"
ANSWER_WITHIN_S = 10  # seconds for a cluster to answer


def run_local(worker: Worker, tasks: Sequence[Task], options: ExecutorOptions) -> Iterator[tuple[int, Outcome]]:
    """Run the tasks in order in this process, and yield (place in the tasks, outcome)."""
    for place, task in enumerate(tasks):
        yield place, worker.run(task)


def run_ray(worker: Worker, tasks: Sequence[Task], options: ExecutorOptions) -> Iterator[tuple[int, Outcome]]:
    """Submit every question at once, and yield (place in the tasks, outcome) as tasks end, in any order.

    What several experiments ask is submitted once: one that waited for another's parts would keep the CPUs from them.
    A task takes as many CPUs as its configuration's threads, and a share of a GPU where it computes on one. It waits
    for the trainings that it rests on, and a training for those that it starts from. The user's own models are opened
    again in every process. UserError where Ray is not installed, or the cluster cannot be joined.
    """
    ray = _start(options)
    try:
        cluster = _Cluster(ray, worker.folder.path, options)
        asked: dict[Any, list[int]] = {}
        for place, task in enumerate(tasks):
            question = (task.model, task.evaluation, task.config.reads, task.config.digest)
            asked.setdefault(question, []).append(place)
        waiting = {cluster.run(tasks[places[0]]): places for places in asked.values()}
        while waiting:
            worker.on_step("tasks", len(asked) - len(waiting), len(asked))
            [done], _ = ray.wait(list(waiting), num_returns=1)
            outcome = ray.get(done)
            for place in waiting.pop(done):
                yield place, outcome
                outcome = replace(outcome, computed=False, notices=())
    finally:
        ray.shutdown()


class _Cluster:
    """Submits tasks; remembers which trainings it has submitted."""

    def __init__(self, ray: Any, folder: Path, options: ExecutorOptions) -> None:
        self._ray, self._folder, self._options = ray, folder, options
        self._trainings: dict[tuple[Any, ...], Any] = {}

    def run(self, task: Task) -> Any:
        """The reference of a task's outcome."""
        models = (task.model, *task.evaluation.further_models())
        trainings = [self._train(model, task.config) for model in models if isinstance(model, Recipe)]
        part = self._remote(_run_part, task.config)
        return self._remote(_run, task.config).remote(self._folder, task, part, *trainings)

    def _train(self, recipe: Recipe, config: Config) -> Any:
        """The reference of a training's end; each is submitted once."""
        key = (recipe, config.reads, config.digest)
        if key not in self._trainings:
            before = (*recipe.members, *([recipe.start] if recipe.start else []))
            ready = [self._train(each, config) for each in before]
            self._trainings[key] = self._remote(_train, config).remote(self._folder, recipe, config, *ready)
        return self._trainings[key]

    def _remote(self, function: Any, config: Config) -> Any:
        gpus = self._options.gpu_share if config.device == "cuda" else 0
        return self._ray.remote(num_cpus=config.threads, num_gpus=gpus, max_retries=RETRIES)(function)


@cache
def _worker(folder: Path) -> Worker:
    """This process's worker; data and models stay open from task to task of the one run that Ray keeps it for."""
    keep_freed_memory()
    return Worker(ResultsFolder(folder))


def _train(folder: Path, recipe: Recipe, config: Config, *before: str) -> str:
    """Train; returns why it failed, or an empty text. What rests on a failure fails for the same reason."""
    return next(filter(None, before), "") or _worker(folder).train(recipe, config)


def _run(folder: Path, task: Task, part: Any, *before: str) -> Outcome:
    import ray

    def spread(parts: Sequence[Task]) -> list[Result]:
        return list(ray.get([part.remote(folder, each) for each in parts]))

    error = next(filter(None, before), "")
    return _worker(folder).fail(task, error) if error else _worker(folder).run(task, spread)


def _run_part(folder: Path, part: Task) -> Result:
    return _worker(folder).run_part(part)


def _start(options: ExecutorOptions) -> Any:
    ray, address = import_extra("ray", "ray", "--executor ray"), options.address
    if address is None:
        ray.init(_node_ip_address=LOOPBACK, include_dashboard=False, log_to_driver=False)
        return ray
    try:
        if address != "auto":  # Ray itself tries for minutes to reach a cluster that is not there
            host, _, port = address.removeprefix("ray://").rpartition(":")
            socket.create_connection((host, int(port)), timeout=ANSWER_WITHIN_S).close()
        ray.init(address=address, log_to_driver=False)
    except (OSError, ValueError, RuntimeError) as error:
        why = f"cannot join the Ray cluster at '{address}': {str(error).splitlines()[0]}"
        raise UserError(f"{why}; give HOST:PORT of a running ray start --head") from error
    return ray


EXECUTORS = {"local": run_local, "ray": run_ray}
