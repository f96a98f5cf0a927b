"""Use a model in eval mode and leave it exactly as it was."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import torch
from torch import nn


@contextmanager
def eval_mode(model: nn.Module) -> Iterator[nn.Module]:
    """Put `model` in eval mode without parameter gradients; restore each module and parameter, also after an error.

    `.grad` tensors are taken away and put back, so that no library can zero them. BatchNorm statistics do not move.
    `torch.inference_mode()`, in which no gradient exists, is left for the block. TypeError where the model is no
    `torch.nn.Module`, ValueError where it was made in inference mode, which rules gradients out for good.
    """
    if not isinstance(model, nn.Module):
        raise TypeError(f"the model must be a torch.nn.Module, got {type(model).__name__}")
    if any(tensor.is_inference() for tensor in (*model.parameters(), *model.buffers())):
        raise ValueError("the model was made under torch.inference_mode(): make or load it outside")
    modes = [(module, module.training) for module in model.modules()]
    gradients = [(parameter, parameter.requires_grad, parameter.grad) for parameter in model.parameters()]
    try:
        model.eval()
        for parameter, _, _ in gradients:
            parameter.requires_grad_(False)
            parameter.grad = None
        with torch.inference_mode(False) if torch.is_inference_mode_enabled() else nullcontext():
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
