"""A training that can be gone on with: weights, optimizer, generators and record after an epoch, in one file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from mri_robust.core.errors import UserError
from mri_robust.models.weights_file import read_metadata, read_state_dict, write_tensors

FORMAT = 1
_TENSOR, _MAPPING = "tensor", "mapping"


def keep_training(path: Path, parts: Mapping[str, Any], history: list[dict[str, Any]]) -> None:
    """Write the state of a training's parts, and its record so far, to a safetensors file in one move.

    Args:
        path: where to.
        parts: `model`, `optimizer` and whatever else has a `state_dict`; None for what the training lacks.
        history: an entry an epoch.
    """
    states = {name: part.state_dict() for name, part in parts.items() if part is not None}
    save_training(path, {**states, "history": history})


def resume_training(path: Path, parts: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Bring the parts to where the file left them; returns the record so far, [] where there is no file.

    Raises:
        UserError: the file is damaged or of another training.
    """
    if not path.exists():
        return []
    state = load_training(path)
    try:
        for name, part in parts.items():
            if part is not None:
                part.load_state_dict(state[name])
        history = list(state["history"])
    except (KeyError, TypeError, ValueError, RuntimeError, AttributeError) as error:
        raise UserError(f"'{path}' is of another training: {str(error).splitlines()[0]}") from error
    _lay_out(parts["optimizer"])
    return history


def _lay_out(optimizer: Optimizer) -> None:
    """Lay the optimizer's tensors out in memory as their parameters are: fused steps walk both side by side."""
    for parameter, state in optimizer.state.items():
        for name, value in state.items():
            if isinstance(value, Tensor) and value.shape == parameter.shape:
                state[name] = torch.empty_like(parameter).copy_(value)


def save_training(path: Path, state: dict[str, Any]) -> None:
    """Write `state` to a safetensors file in one move.

    Args:
        path: where to.
        state: numbers, texts, tensors, and lists, tuples and dicts of them with keys of any of these plain types;
            tuples come back as lists.
    """
    tensors: dict[str, Tensor] = {}
    packed = _packed(state, tensors)
    write_tensors(path, tensors, {"format": FORMAT, "training": packed})


def load_training(path: Path) -> dict[str, Any]:
    """What `save_training` wrote, on the CPU.

    Raises:
        UserError: the file is absent, damaged or no training's.
    """
    header, tensors = read_metadata(path), read_state_dict(path)
    try:
        state = _unpacked(header["training"], tensors)
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise UserError(f"'{path}' holds no training to go on with: {error}") from error
    if not isinstance(state, dict):
        raise UserError(f"'{path}' holds no training to go on with")
    return state


def _packed(value: Any, tensors: dict[str, Tensor]) -> Any:
    """`value` in JSON types; JSON has neither tensors nor keys that are numbers, so both are written as pairs."""
    if isinstance(value, Tensor):
        name = str(len(tensors))
        tensors[name] = value
        return {_TENSOR: name}
    if isinstance(value, dict):
        return {_MAPPING: [[key, _packed(item, tensors)] for key, item in value.items()]}
    if isinstance(value, (list, tuple)):
        return [_packed(item, tensors) for item in value]
    return value


def _unpacked(value: Any, tensors: dict[str, Tensor]) -> Any:
    if isinstance(value, dict):
        if _TENSOR in value:
            return tensors[value[_TENSOR]]
        return {key: _unpacked(item, tensors) for key, item in value[_MAPPING]}
    if isinstance(value, list):
        return [_unpacked(item, tensors) for item in value]
    return value
