"""How far two engines agree on one attack."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class Agreement:
    """Counts over the images compared so far.

    Attributes:
        attack, engine, other: what is compared.
        bound: greatest pixel difference that passes.
        equal_success: success must be equal on every image to pass.
        images: images compared.
        identical: images that are equal bit for bit.
        difference: greatest pixel difference, in [0, 1].
        same_prediction: images that the model gives the same class after either.
        success_differs: images that one engine fools and the other does not.
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

    def add(self, one: Tensor, two: Tensor, judged: tuple[Tensor, Tensor], other: tuple[Tensor, Tensor]) -> Agreement:
        """With one more batch: adversarial images [N, C, H, W], and (predicted class, fooled) of each."""
        return replace(
            self,
            images=self.images + len(one),
            identical=self.identical + int((one == two).flatten(1).all(1).sum()),
            difference=max(self.difference, float((one - two).abs().nan_to_num(nan=torch.inf).max())),
            same_prediction=self.same_prediction + int((judged[0] == other[0]).sum()),
            success_differs=self.success_differs + int((judged[1] != other[1]).sum()),
        )

    @property
    def passed(self) -> bool:
        """Whether the stated bounds hold; a difference that is not a number fails."""
        return self.difference <= self.bound and not (self.equal_success and self.success_differs)

    def row(self) -> dict[str, Any]:
        """The figures as one row of the certificate."""
        return {
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
