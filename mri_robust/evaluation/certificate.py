"""The certificate of a cross-check: every figure, the versions compared, and one verdict."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from mri_robust.core.hashing import canonical_json
from mri_robust.core.packages import installed_version
from mri_robust.evaluation.agreement import Agreement

LIBRARIES = ("mri-robust", "adversarial-robustness-toolbox", "torchattacks", "torch", "numpy")


@dataclass(frozen=True)
class Certificate:
    """What a cross-check found.

    Attributes:
        agreements: one for each attack and pair of engines.
        mutants: mutation of the native attack -> whether the check caught it.
        images: images compared.
        device: where.
        about: the model and data compared, plain data.
    """

    agreements: tuple[Agreement, ...]
    mutants: dict[str, bool]
    images: int
    device: str
    about: dict[str, Any] | None = None

    @property
    def passed(self) -> bool:
        """Whether every bound holds and every mutant was caught."""
        agreed = bool(self.agreements) and all(agreement.passed for agreement in self.agreements)
        return agreed and all(self.mutants.values())

    def rows(self) -> list[dict[str, Any]]:
        """One row an attack and pair of engines."""
        return [agreement.row() for agreement in self.agreements]

    def table(self) -> pd.DataFrame:
        """The rows as a table."""
        return pd.DataFrame(self.rows())

    def verdict(self) -> str:
        """One line: what agrees, on how many images, and whether the check bites."""
        if self.passed:
            exact = sum(agreement.identical == agreement.images for agreement in self.agreements)
            caught = f"; {len(self.mutants)} of {len(self.mutants)} mutants caught" if self.mutants else ""
            return (
                f"cross-check PASSED: {len(self.agreements)} comparisons on {self.images} images within bounds, "
                f"{exact} of them bit-identical on every image{caught}"
            )
        broken = [f"{a.attack} ({a.engine} against {a.other})" for a in self.agreements if not a.passed]
        broken += [f"mutant '{name}' passed" for name, caught in self.mutants.items() if not caught]
        return f"cross-check FAILED: {'; '.join(broken)}"

    def json(self) -> str:
        """Every figure as JSON."""
        content = {
            "verdict": self.verdict(),
            "passed": self.passed,
            "images": self.images,
            "device": self.device,
            "about": self.about or {},
            "versions": {name: installed_version(name) for name in LIBRARIES},
            "comparisons": self.rows(),
            "mutants_caught": self.mutants,
        }
        return canonical_json(content, indent=2) + "\n"
