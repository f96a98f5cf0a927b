"""The machine: device, number format, threads and memory."""

from __future__ import annotations

import ctypes
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from mri_robust.core.errors import UserError

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3
"""Parameter numbers of glibc's mallopt(3)."""


def resolve_device(choice: str) -> torch.device:
    """`auto` (a GPU when there is one), `cpu` or `cuda` as a device.

    Raises:
        UserError: `cuda` was asked for and there is none.
    """
    if choice == "cuda" and not torch.cuda.is_available():
        raise UserError("no CUDA device is available here: use --device cpu or --device auto")
    if choice == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(choice)


def resolve_precision(choice: str, device: torch.device) -> str:
    """`auto` as `bf16` where the processor computes in it natively, else `fp32`; other choices as they are."""
    if choice != "auto":
        return choice
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    return "bf16" if {"avx512_bf16", "amx_bf16", "bf16"} & _cpu_flags() else "fp32"


def describe_machine(device: torch.device) -> dict[str, Any]:
    """`device_name`, `system` and `python`, for the record of a run."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine()
    return {"device_name": name, "system": platform.platform(), "python": sys.version.split()[0]}


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute on one CPU thread, and on as many as before afterwards, also after an error.

    Work on single images is too small to share. On a busy machine the threads wait for each other at every operation:
    with two threads on two cores, one of them busy, an augmented image took 40 ms instead of 2.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def keep_freed_memory() -> bool:
    """Tell glibc to keep large freed buffers, which the system would otherwise hand out again as new pages.

    On 2 cores, gradients of the CNN at 56 pixels were 1.3 to 1.5 times faster. It changes the whole process, so
    commands call it and library code does not. Without glibc it does nothing.

    Returns:
        Whether the allocator accepted the setting.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    settings = ((_MMAP_THRESHOLD, 1 << 30), (_TRIM_THRESHOLD, (1 << 31) - 1), (_TOP_PAD, 1 << 26))
    taken = [mallopt(ctypes.c_int(name), ctypes.c_int(value)) for name, value in settings]
    return all(taken)


def _cpu_flags() -> set[str]:
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return set()
    lines = (line for line in text.splitlines() if line.lower().startswith(("flags", "features")))
    return set(next(lines, "").split())
