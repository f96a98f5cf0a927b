"""What an attack cost, counted around the model so that every library is counted alike, and signs that it failed."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn


@dataclass
class Effort:
    """Sums over images.

    Attributes:
        forwards, gradients: forward and backward passes through the model and its copies.
        proposed, confirmed: how often an image fooled a copy of the model at an epsilon, and how often the model too.
        rise, late: how far the margin of the best wrong class rose in runs that fooled nobody, and how far of it in the
            last tenth of their steps.
        skipped: steps that were not taken, as the iterate before them had been there before.
    """

    forwards: int = 0
    gradients: int = 0
    proposed: int = 0
    confirmed: int = 0
    rise: float = 0.0
    late: float = 0.0
    skipped: int = 0


class Counted(nn.Module):
    """The same model, whose passes are added to an `Effort`."""

    def __init__(self, model: nn.Module, effort: Effort) -> None:
        super().__init__()
        self.model, self.effort, self.training = model, effort, model.training

    def forward(self, images: Tensor) -> Tensor:
        """The model's logits [N, K]."""
        self.effort.forwards += len(images)
        logits: Tensor = self.model(images)
        if logits.requires_grad:
            logits.register_hook(self._count)
        return logits

    def _count(self, gradient: Tensor) -> None:
        self.effort.gradients += len(gradient)
