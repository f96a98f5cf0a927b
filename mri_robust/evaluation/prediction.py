"""Predicted classes and probabilities of images, batch by batch."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from mri_robust.attacks.evasion.epsilon_sweep import BATCH
from mri_robust.core.eval_mode import device_of, eval_mode
from mri_robust.training import to_unit_range


def unit_images(images: np.ndarray) -> Tensor:
    """A copy of images, uint8 or float32 in [0, 1], as a float32 tensor in [0, 1]."""
    return to_unit_range(torch.from_numpy(np.array(images)))


def logits_of(model: nn.Module, images: np.ndarray | Tensor) -> Tensor:
    """float32 [N, K] on the CPU.

    Args:
        model: gives logits; run in eval mode on the device it is on, and left as it was.
        images: uint8 or float32 in [0, 1], [N, C, H, W], N at least 1.
    """
    device, found = device_of(model), []
    with eval_mode(model), torch.no_grad():
        for begin in range(0, len(images), BATCH):
            some = images[begin : begin + BATCH]
            batch = to_unit_range(some) if isinstance(some, Tensor) else unit_images(some)
            found.append(model(batch.to(device)).float().cpu())
        return torch.cat(found)


def probabilities(model: nn.Module, images: np.ndarray | Tensor) -> Tensor:
    """float32 [N, K] on the CPU: the probability of each class; arguments as `logits_of`."""
    return logits_of(model, images).softmax(1)


def predicted_classes(model: nn.Module, images: np.ndarray | Tensor) -> np.ndarray:
    """int64 [N]: the class of greatest logit; arguments as `logits_of`."""
    return logits_of(model, images).argmax(1).numpy()
