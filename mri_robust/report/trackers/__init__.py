"""One file a tracker, which records a finished run beside others; each defines `TRACKER`.

`TRACKER()` checks that the tracker can be had, before the run, and gives `record(folder)`, which reads what a bench
left in its folder and returns in one line where to look. It reads finished files alone, so that a run is neither
slowed nor endangered by it, and can be recorded again.
"""

from collections.abc import Callable
from pathlib import Path

from mri_robust.core.registry import Registry

Track = Callable[[Path], str]
"""(results folder) -> where to look."""

TRACKERS = Registry("mri_robust.report.trackers", attribute="TRACKER", kind="tracker", group="mri_robust.trackers")
