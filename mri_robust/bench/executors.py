"""Who runs the tasks of a run: this process, or Ray's workers. Numbers do not depend on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from mri_robust.bench.worker import Outcome, Task, Worker

EXECUTORS = ("local", "ray")


@dataclass(frozen=True)
class ExecutorOptions:
    """Where to run.

    Attributes:
        name: one of `EXECUTORS`.
        address: of a Ray cluster to join; None starts one on this machine.
        gpu_share: of one GPU, for each task, where tasks compute on one.
    """

    name: str = "local"
    address: str | None = None
    gpu_share: float = 1.0


Execute = Callable[[Worker, Sequence[Task], ExecutorOptions], Iterator[tuple[int, Outcome]]]
"""(worker of the process that asks, tasks, options) -> (place in the tasks, outcome) as tasks end, in any order."""


def load_executor(name: str) -> Execute:
    """The executor called `name`."""
    if name == "ray":
        from mri_robust.bench.ray_executor import run_ray

        return run_ray
    return run_local


def run_local(worker: Worker, tasks: Sequence[Task], options: ExecutorOptions) -> Iterator[tuple[int, Outcome]]:
    """Run the tasks in order, in this process."""
    for place, task in enumerate(tasks):
        yield place, worker.run(task)
