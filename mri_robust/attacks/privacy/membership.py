"""Membership inference: was an image among those that a model was trained on? (Yeom et al. 2018, arXiv 1709.01604)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from mri_robust.core.eval_mode import device_of, eval_mode
from mri_robust.core.validation import check_count


@dataclass(frozen=True)
class LossThreshold:
    """Call an image a member where the model's loss on it is small: score = -cross entropy, `batch_size` at a time.

    Adversary 1 of Yeom et al. sets the threshold at the mean training loss; the score leaves it open.
    """

    batch_size: int = 64

    def __post_init__(self) -> None:
        check_count("batch_size", self.batch_size)

    def __call__(self, model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
        """Float64 [N], at most 0, greater for likelier members; float64 so that losses near 0 stay distinct.

        The model gives logits and is left as it was; images are float32 [N, C, H, W] in [0, 1], labels int64 [N].
        """
        device = device_of(model)
        with eval_mode(model), torch.no_grad():
            losses = [
                functional.cross_entropy(model(some.to(device)).double(), true.to(device), reduction="none").cpu()
                for some, true in zip(images.split(self.batch_size), labels.split(self.batch_size), strict=True)
            ]
        return -torch.cat(losses)
