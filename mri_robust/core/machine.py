"""The machine: device, number format, threads and memory."""

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
    """`auto` (a GPU when there is one), `cpu` or `cuda` as a device; `UserError` for a `cuda` that is not there."""
    there = torch.cuda.is_available()
    if choice == "cuda" and not there:
        raise UserError("no CUDA device is available here: use --device cpu or --device auto")
    automatic = "cuda" if there else "cpu"
    return torch.device(automatic if choice == "auto" else choice)


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

    On 2 cores, gradients of the CNN at 56 pixels were 1.3 to 1.5 times faster, and a training step of it at 224, with
    its 51 million gradients, 1.9 times. It changes the whole process, so commands and `training.fit` call it and no
    other library code does. Returns whether there is a glibc and it accepted the setting.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    settings = ((_MMAP_THRESHOLD, 1 << 30), (_TRIM_THRESHOLD, (1 << 31) - 1), (_TOP_PAD, 1 << 26))
    return all(ctypes.CDLL(None).mallopt(*setting) for setting in settings)


def _cpu_flags() -> set[str]:
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return set()
    lines = (line for line in text.splitlines() if line.lower().startswith(("flags", "features")))
    return set(next(lines, "").split())
