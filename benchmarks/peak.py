"""How much memory a process holds."""

from pathlib import Path


def peak_mb() -> int:
    """Megabytes of this process at its highest.

    Read from the kernel's `VmHWM`, which starts anew with each program; `ru_maxrss` also counts the parent that forked.
    """
    return _status("VmHWM")


def private_mb() -> int:
    """Megabytes of this process that are its own now: without pages of mapped files, which the kernel may take back."""
    return _status("RssAnon")


def _status(name: str) -> int:
    for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) // 1024
    raise RuntimeError(f"the kernel does not say {name}")
