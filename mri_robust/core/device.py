"""Which processor and which number format a run uses."""

from __future__ import annotations

from pathlib import Path

import torch

from mri_robust.core.errors import UserError


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


def _cpu_flags() -> set[str]:
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return set()
    lines = (line for line in text.splitlines() if line.lower().startswith(("flags", "features")))
    return set(next(lines, "").split())
