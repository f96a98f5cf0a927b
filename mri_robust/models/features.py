"""What a classifier's last linear layer is fed: the features that detectors of poison look at."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor, nn

from mri_robust.core.eval_mode import device_of, eval_mode


def penultimate_features(model: nn.Module, batches: Iterable[Tensor]) -> np.ndarray:
    """The inputs of the model's last `nn.Linear`, float32 [N, D]; the model is left as it was.

    Args:
        model: its last linear layer gives the logits.
        batches: images, float32 [n, C, H, W] in [0, 1], taken one batch at a time.

    Raises:
        ValueError: the model has no linear layer.
    """
    linear = [module for module in model.modules() if isinstance(module, nn.Linear)]
    if not linear:
        raise ValueError("the model has no linear layer whose inputs could be its features")
    found: list[np.ndarray] = []

    def keep(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        found.append(inputs[0].detach().float().flatten(1).cpu().numpy())

    hook = linear[-1].register_forward_pre_hook(keep)
    try:
        with eval_mode(model), torch.no_grad():
            for batch in batches:
                model(batch.to(device_of(model)))
    finally:
        hook.remove()
    return np.concatenate(found)
