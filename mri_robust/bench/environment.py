"""The machine's share in a result, and what a run says of itself."""

from __future__ import annotations

import platform
import sys
from dataclasses import dataclass
from typing import Any

import torch

from mri_robust.core.machine import resolve_device, resolve_precision
from mri_robust.core.packages import installed_version

PACKAGES = (
    "mri-robust",
    "torch",
    "torchvision",
    "adversarial-robustness-toolbox",
    "torchattacks",
    "numpy",
    "pandas",
    "scikit-learn",
)


@dataclass(frozen=True)
class Machine:
    """Where and how a run computes.

    Attributes:
        device: processor of training and attacks.
        precision: number format of training, `bf16` or `fp32`; attacks and accuracies are always float32.
        threads: CPU threads, which decide the rounding of a trained model.
    """

    device: torch.device
    precision: str
    threads: int

    @classmethod
    def choose(cls, device: str, precision: str, threads: int | None = None) -> Machine:
        """The machine for `--device`, `--precision` and `--threads`; as many threads as torch takes when None.

        Raises:
            UserError: CUDA was asked for and there is none.
        """
        chosen = resolve_device(device)
        return cls(chosen, resolve_precision(precision, chosen), threads or torch.get_num_threads())

    def pin_threads(self) -> None:
        """Let torch compute on this many threads, in this process."""
        torch.set_num_threads(self.threads)

    def deciding(self) -> dict[str, Any]:
        """What of it decides trained weights."""
        return {"device": self.device.type, "precision": self.precision, "threads": self.threads}

    def description(self) -> dict[str, Any]:
        """What a reader wants to know of it."""
        name = torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else platform.machine()
        return {**self.deciding(), "device_name": name, "system": platform.platform(), "python": sys.version.split()[0]}


def package_versions() -> dict[str, str]:
    """Versions of the packages that decide results."""
    return {name: installed_version(name) for name in PACKAGES}
