"""Read tensors from files of unknown origin without running code that may be in them."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor

from mri_robust.core.errors import UserError


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """Tensors by name from a `.safetensors` file, or from a `.pth` that `torch.load(weights_only=True)` accepts.

    Raises:
        UserError: the file is absent, no such file, truncated, or a pickle with more than tensors in it.
    """
    if path.suffix == ".safetensors":
        read_metadata(path)
        return load_file(path)
    _check_exists(path)
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds for a bad file, and none of them is a bug of ours
        reason = "it holds more than plain tensors" if "weights_only" in str(error).lower() else "it is no weights file"
        raise UserError(
            f"weights '{path}' cannot be loaded: {reason}; save a state dict as .safetensors, or with "
            "torch.save(model.state_dict(), ...)"
        ) from error
    if isinstance(state, dict) and isinstance(state.get("state_dict"), dict):
        state = state["state_dict"]
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()) or not state:
        raise UserError(f"weights '{path}' hold no state dict (a mapping of names to tensors)")
    return {str(key): value for key, value in state.items()}


def read_metadata(path: Path) -> dict[str, object]:
    """What the header of a `.safetensors` file says of the model: the JSON under `mri_robust`, {} when absent.

    Raises:
        UserError: the file is absent, or no whole safetensors file.
    """
    _check_exists(path)
    try:
        with safe_open(path, framework="pt") as file:
            text = (file.metadata() or {}).get("mri_robust", "{}")
        metadata = json.loads(text)
    except (SafetensorError, OSError, ValueError) as error:
        with path.open("rb") as file:
            html = file.read(64).lstrip().lower().startswith((b"<!doctype", b"<html"))
        what = "is an HTML page, not a model" if html else "is damaged or no safetensors file"
        raise UserError(f"checkpoint '{path}' {what}: fetch or train it again") from error
    return metadata if isinstance(metadata, dict) else {}


def _check_exists(path: Path) -> None:
    if not path.is_file():
        raise UserError(f"model file '{path}' does not exist")
