"""Use a model in eval mode and leave it exactly as it was."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn


@contextmanager
def eval_mode(model: nn.Module) -> Iterator[nn.Module]:
    """Put `model` in eval mode without parameter gradients; restore each module and parameter, also after an error.

    `.grad` tensors are taken away and put back, so that no library can zero them. BatchNorm statistics do not move.
    """
    modes = [(module, module.training) for module in model.modules()]
    gradients = [(parameter, parameter.requires_grad, parameter.grad) for parameter in model.parameters()]
    try:
        model.eval()
        for parameter, _, _ in gradients:
            parameter.requires_grad_(False)
            parameter.grad = None
        yield model
    finally:
        for module, training in modes:
            module.training = training
        for parameter, required, gradient in gradients:
            parameter.requires_grad_(required)
            parameter.grad = gradient


def device_of(model: nn.Module) -> torch.device:
    """The device of the model's first parameter or buffer; the CPU if it has none."""
    for tensor in (*model.parameters(), *model.buffers()):
        return tensor.device
    return torch.device("cpu")
