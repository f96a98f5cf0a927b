"""Borrow a model: use it in eval mode, give it back exactly as it was."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn


@contextmanager
def eval_mode(model: nn.Module) -> Iterator[nn.Module]:
    """Hold `model` in eval mode with parameter gradients off; restore both, module by module, also after an error.

    Existing `.grad` tensors are taken away and given back, so that no library can zero them; BatchNorm statistics do
    not move.
    """
    modes = [(module, module.training) for module in model.modules()]
    lent = [(parameter, parameter.requires_grad, parameter.grad) for parameter in model.parameters()]
    try:
        model.eval()
        for parameter, _, _ in lent:
            parameter.requires_grad_(False)
            parameter.grad = None  # so that no library can zero it in place
        yield model
    finally:
        for module, training in modes:
            module.training = training
        for parameter, required, gradient in lent:
            parameter.requires_grad_(required)
            parameter.grad = gradient


def device_of(model: nn.Module) -> torch.device:
    """The device of the model's first parameter or buffer; the CPU if it has none."""
    for tensor in (*model.parameters(), *model.buffers()):
        return tensor.device
    return torch.device("cpu")
