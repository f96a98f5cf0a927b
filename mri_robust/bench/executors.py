"""Who runs the tasks of a run: this process, or Ray's workers. Numbers do not depend on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from mri_robust.bench.worker import ExecutorOptions, Outcome, Task, Worker

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
