"""Cell after cell in this process."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mri_robust.bench.executors import ExecutorOptions
from mri_robust.bench.worker import Outcome, Worker
from mri_robust.study.cell import Cell


def run_local(worker: Worker, cells: Sequence[Cell], options: ExecutorOptions) -> Iterator[tuple[int, Outcome]]:
    """Measure the cells in order."""
    for place, cell in enumerate(cells):
        yield place, worker.measure(cell)


EXECUTE = run_local
