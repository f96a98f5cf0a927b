"""Every training, every cell and every part of a long one as a Ray task, on one machine or many."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from typing import Any

from mri_robust.bench.executors import ExecutorOptions
from mri_robust.bench.worker import Job, Outcome, Worker
from mri_robust.core.hashing import digest
from mri_robust.core.errors import UserError
from mri_robust.core.machine import keep_freed_memory
from mri_robust.evaluation.subject import MeasurePart, spans
from mri_robust.study.cell import Cell
from mri_robust.study.recipe import Recipe

RETRIES = 5
"""Times that a task is run again after its worker was lost; what it had stored stays stored."""
LOOPBACK = "127.0.0.1"
PATIENCE_S = 10
"""For a cluster to answer."""


def run_ray(worker: Worker, cells: Sequence[Cell], options: ExecutorOptions) -> Iterator[tuple[int, Outcome]]:
    """Submit everything at once, yield cells as they end.

    A task takes as many CPUs as the job's threads, and a share of a GPU where the job computes on one. A cell waits for
    its trainings, and a training for those that it starts from, as Ray's object references. All processes share the
    run's folder.

    Raises:
        UserError: Ray is not installed, or the cluster cannot be joined.
    """
    ray = _start(options)
    try:
        cluster = _Cluster(ray, worker.job, options)
        waiting = {cluster.measure(cell): place for place, cell in enumerate(cells)}
        while waiting:
            worker.on_step("cells", len(cells) - len(waiting), len(cells))
            [done], _ = ray.wait(list(waiting), num_returns=1)
            yield waiting.pop(done), ray.get(done)
    finally:
        ray.shutdown()


class _Cluster:
    """Submits tasks; remembers which trainings have been."""

    def __init__(self, ray: Any, job: Job, options: ExecutorOptions) -> None:
        gpus = options.gpu_share if job.machine.device.type == "cuda" else 0
        how = ray.remote(num_cpus=job.machine.threads, num_gpus=gpus, max_retries=RETRIES)
        self._measure, self._make, self._part = how(_measure), how(_make), how(_measure_part)
        self._job = ray.put(job)
        self._trainings: dict[str, Any] = {}

    def measure(self, cell: Cell) -> Any:
        """The reference of a cell's outcome."""
        protocol = cell.words["protocol"]
        trainings = [self._train(recipe, protocol) for recipe in (cell.recipe, *cell.others)]
        return self._measure.remote(self._job, cell, self._part, *trainings)

    def _train(self, recipe: Recipe, protocol: str) -> Any:
        """The reference of a training's end; each is submitted once."""
        key = digest([protocol, recipe])
        if key not in self._trainings:
            before = (*recipe.members, *([recipe.start] if recipe.start else []))
            ready = [self._train(each, protocol) for each in before]
            self._trainings[key] = self._make.remote(self._job, recipe, protocol, *ready)
        return self._trainings[key]


_open: list[Worker] = []


def _worker(job: Job) -> Worker:
    """This process's worker; data and models stay open from task to task of the one job that Ray keeps it for."""
    if not _open:
        keep_freed_memory()
        _open.append(Worker(job))
    return _open[0]


def _make(job: Job, recipe: Recipe, protocol: str, *before: str) -> str:
    """Train; returns why it failed, or an empty text. What rests on a failure fails for the same reason."""
    return next(filter(None, before), "") or _worker(job).make(recipe, protocol)


def _measure(job: Job, cell: Cell, part: Any, *before: str) -> Outcome:
    import ray

    def spread(measure_part: MeasurePart, images: int) -> list[Any]:
        parts = spans(images)
        if len(parts) == 1:
            return [measure_part(*parts[0])]
        return list(ray.get([part.remote(job, cell, begin, end) for begin, end in parts]))

    error = next(filter(None, before), "")
    return _worker(job).fail(cell, error) if error else _worker(job).measure(cell, spread)


def _measure_part(job: Job, cell: Cell, begin: int, end: int) -> Any:
    return _worker(job).measure_part(cell, begin, end)


def _start(options: ExecutorOptions) -> Any:
    try:
        import ray
    except ImportError as error:
        raise UserError("--executor ray needs Ray: pip install 'mri-robust[ray]'") from error
    if options.address is None:
        ray.init(_node_ip_address=LOOPBACK, include_dashboard=False, log_to_driver=False)
        return ray
    try:
        _check_reachable(options.address)
        ray.init(address=options.address, log_to_driver=False)
    except (OSError, ValueError, RuntimeError) as error:
        why = f"cannot join the Ray cluster at '{options.address}': {str(error).splitlines()[0]}"
        raise UserError(f"{why}; give HOST:PORT of a running ray start --head") from error
    return ray


def _check_reachable(address: str) -> None:
    """Ray itself tries for minutes to reach a cluster that is not there.

    Raises:
        OSError, ValueError: nobody listens at the address, or it is none.
    """
    if address != "auto":
        host, _, port = address.removeprefix("ray://").rpartition(":")
        with socket.create_connection((host, int(port)), timeout=PATIENCE_S):
            pass


EXECUTE = run_ray
