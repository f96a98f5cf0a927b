"""One file a way to run the cells of a bench; each defines `EXECUTE`.

`EXECUTE(worker, cells, options)` yields (place in `cells`, outcome) as cells end, in any order; `worker` is that of the
process which asks. Numbers do not depend on it: the machine's threads are pinned and part of every cell's digest.
"""

from dataclasses import dataclass

from mri_robust.core.registry import Registry

EXECUTORS = Registry("mri_robust.bench.executors", attribute="EXECUTE", kind="executor")


@dataclass(frozen=True)
class ExecutorOptions:
    """Where to run.

    Attributes:
        name: `local` or `ray`.
        address: of a Ray cluster to join; None starts one on this machine.
        gpu_share: of one GPU, for each task, where tasks compute on one.
    """

    name: str = "local"
    address: str | None = None
    gpu_share: float = 1.0
