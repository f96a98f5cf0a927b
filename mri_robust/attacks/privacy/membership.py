"""Membership inference: was an image among those that a model was trained on? (Yeom et al. 2018, arXiv 1709.01604)."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from mri_robust.core.eval_mode import device_of, eval_mode

BATCH = 64


def membership_scores(model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    """Less the model's cross entropy on each image, float64 [N], at most 0; greater for likelier members.

    Adversary 1 of Yeom et al. sets the threshold at the mean training loss; the score leaves it open. It is computed in
    float64 so that losses near 0 stay distinct.
    """
    device = device_of(model)
    with eval_mode(model), torch.no_grad():
        losses = [
            functional.cross_entropy(model(some.to(device)).double(), true.to(device), reduction="none").cpu()
            for some, true in zip(images.split(BATCH), labels.split(BATCH), strict=True)
        ]
    return -torch.cat(losses)
