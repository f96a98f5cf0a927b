"""Predicted classes of images, batch by batch."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from mri_robust.attacks.evasion.attack import predict
from mri_robust.core.eval_mode import device_of, eval_mode
from mri_robust.training import to_unit_range

BATCH = 64
"""Images a batch; fixed, because another size rounds differently."""


def predicted_classes(model: nn.Module, images: np.ndarray | Tensor) -> np.ndarray:
    """int64 [N]: the class of greatest logit for each of the images, uint8 or float32 in [0, 1], [N, C, H, W].

    The model is run in eval mode on the device it is on, and left as it was.
    """
    device, predicted = device_of(model), np.empty(len(images), dtype=np.int64)
    with eval_mode(model):
        for begin in range(0, len(images), BATCH):
            some = images[begin : begin + BATCH]
            batch = some if isinstance(some, Tensor) else torch.from_numpy(np.array(some))
            predicted[begin : begin + BATCH] = predict(model, to_unit_range(batch).to(device)).cpu().numpy()
    return predicted
