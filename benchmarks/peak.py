"""The most memory that a process has held."""

from __future__ import annotations

from pathlib import Path


def peak_mb() -> int:
    """Megabytes of this process at its highest.

    Read from the kernel's `VmHWM`, which starts anew with each program; `ru_maxrss` also counts the parent that forked.
    """
    for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) // 1024
    raise RuntimeError("the kernel does not say VmHWM")
