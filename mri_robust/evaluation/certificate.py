"""The certificate of a cross-check: every figure, the versions compared, and one verdict."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd
from torch import Tensor

from mri_robust.core.packages import installed_version

LIBRARIES = ("mri-robust", "adversarial-robustness-toolbox", "torchattacks", "torch", "numpy")


@dataclass(frozen=True)
class Agreement:
    """How far two engines agree on one attack: counts over the images compared so far.

    Attributes:
        attack, engine, other: what is compared.
        bound: greatest pixel difference that passes.
        equal_success: success must be equal on every image to pass.
        images: images compared.
        identical: images that are equal bit for bit.
        difference: greatest pixel difference, in [0, 1].
        same_prediction: images that the model gives the same class after either.
        success_differs: images that one engine fools and the other does not.
        model: whose images they are, where several were compared.
    """

    attack: str
    engine: str
    other: str
    bound: float
    equal_success: bool
    images: int = 0
    identical: int = 0
    difference: float = 0.0
    same_prediction: int = 0
    success_differs: int = 0
    model: str = ""

    def add(self, one: Tensor, two: Tensor, judged: tuple[Tensor, Tensor], other: tuple[Tensor, Tensor]) -> Agreement:
        """With one more batch: adversarial images [N, C, H, W], and (predicted class, fooled) of each."""
        difference = (one - two).abs().nan_to_num(nan=math.inf).max()  # a difference that is not a number fails
        return replace(
            self,
            images=self.images + len(one),
            identical=self.identical + int((one == two).flatten(1).all(1).sum()),
            difference=max(self.difference, float(difference)),
            same_prediction=self.same_prediction + int((judged[0] == other[0]).sum()),
            success_differs=self.success_differs + int((judged[1] != other[1]).sum()),
        )

    @property
    def passed(self) -> bool:
        """Whether the stated bounds hold."""
        return self.difference <= self.bound and not (self.equal_success and self.success_differs)

    def row(self) -> dict[str, Any]:
        """The figures as one row of the certificate."""
        return {
            **({"model": self.model} if self.model else {}),
            "attack": self.attack,
            "engine": self.engine,
            "other": self.other,
            "images": self.images,
            "bit_identical": self.identical / self.images,
            "max_difference": self.difference if math.isfinite(self.difference) else None,
            "equal_predictions": self.same_prediction / self.images,
            "success_differs": self.success_differs,
            "bound": self.bound,
            "passed": self.passed,
        }


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

    def table(self) -> pd.DataFrame:
        """One row for each attack and pair of engines."""
        return pd.DataFrame([agreement.row() for agreement in self.agreements])

    def verdict(self) -> str:
        """One line: what agrees, on how many images, and whether the check bites."""
        if self.passed:
            exact = sum(agreement.identical == agreement.images for agreement in self.agreements)
            caught = f"; {len(self.mutants)} of {len(self.mutants)} mutants caught" if self.mutants else ""
            return (
                f"cross-check PASSED: {len(self.agreements)} comparisons on {self.images} images within bounds, "
                f"{exact} of them bit-identical on every image{caught}"
            )
        broken = [
            f"{a.attack} ({a.engine} against {a.other}{f' on {a.model}' if a.model else ''})"
            for a in self.agreements
            if not a.passed
        ]
        broken += [f"mutant '{name}' passed" for name, caught in self.mutants.items() if not caught]
        return f"cross-check FAILED: {'; '.join(broken)}"

    def content(self) -> dict[str, Any]:
        """Every figure as plain data, what `crosscheck.json` holds."""
        return {
            "verdict": self.verdict(),
            "passed": self.passed,
            "images": self.images,
            "device": self.device,
            "about": self.about or {},
            "versions": {name: installed_version(name) for name in LIBRARIES},
            "comparisons": [agreement.row() for agreement in self.agreements],
            "mutants_caught": self.mutants,
        }
