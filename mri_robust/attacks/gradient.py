"""The gradient that evasion attacks climb."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


def loss_gradient(model: nn.Module, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Gradient of the cross entropy, averaged over the batch, with respect to the images, and the logits.

    The average (not the sum) is what the study, ART and torchattacks differentiate: the same rounding everywhere.

    Args:
        model: gives logits [N, K].
        images: [N, C, H, W].
        labels: int64 [N].

    Returns:
        gradient [N, C, H, W] and logits [N, K], both detached.
    """
    images = images.detach().clone().requires_grad_(True)
    with torch.enable_grad():
        logits = model(images)
        loss = functional.cross_entropy(logits.float(), labels)  # float32 also under autocast
        (gradient,) = torch.autograd.grad(loss, images)
    return gradient, logits.detach()


def predict(model: nn.Module, images: Tensor) -> Tensor:
    """int64 [N]: the class of greatest logit."""
    with torch.no_grad():
        return model(images).argmax(1)


def fooled(logits: Tensor, labels: Tensor, targeted: bool) -> Tensor:
    """bool [N]: the attack has what it wants, the target label, or any label but the true one."""
    hit = logits.argmax(1) == labels
    return hit if targeted else ~hit
