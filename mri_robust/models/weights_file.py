"""Read tensors from files of unknown origin without running code that may be in them."""

from __future__ import annotations

import hashlib
import json
import os
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from mri_robust.core.errors import UserError
from mri_robust.core.files import written_aside
from mri_robust.core.json_text import parse_json


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """Tensors by name from a `.safetensors` file, or from a `.pth` that `torch.load(weights_only=True)` accepts.

    Raises:
        UserError: the file is absent, no such file, truncated, or a pickle with more than tensors in it.
    """
    if path.suffix == ".safetensors":
        header = read_metadata(path)
        try:
            tensors: dict[str, Tensor] = load_file(path)
            if header and header.get("checksum") != _checksum(header, tensors):
                raise ValueError("the checksum is another")
        except Exception as error:  # also number formats that torch lacks, and headers too deep to write again
            raise UserError(f"checkpoint '{path}' is damaged: fetch or train it again") from error
        return tensors
    _check_exists(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # they are on how the file was written, which its reader cannot change
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


def write_tensors(path: Path, tensors: Mapping[str, Tensor], header: Mapping[str, Any]) -> None:
    """Write a `.safetensors` file in one move, whose reader notices damage to any byte.

    Args:
        path: where to; folders are made.
        tensors: on any device.
        header: plain data kept beside them; `checksum` is added.

    Raises:
        OSError: the file cannot be written.
    """
    plain = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    described = json.dumps({**header, "checksum": _checksum(header, plain)})
    with written_aside(path) as aside:
        try:
            save_file(plain, aside, metadata={"mri_robust": described})
        except SafetensorError as error:  # it wraps the system's error in words
            number = re.search(r"os error (\d+)", str(error))
            if number is None:
                raise
            raise OSError(int(number[1]), os.strerror(int(number[1])), str(path)) from error


def _checksum(header: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> str:
    """First 16 hex digits of the SHA-256 over the header but its checksum, and the tensors' names, types and bytes."""
    said = {name: value for name, value in header.items() if name != "checksum"}
    found = hashlib.sha256(json.dumps(said, sort_keys=True).encode())
    for name in sorted(tensors):
        tensor = tensors[name].contiguous()
        found.update(f"{name}|{tensor.dtype}|{tuple(tensor.shape)}|".encode())
        found.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return found.hexdigest()[:16]


def read_metadata(path: Path) -> dict[str, object]:
    """What the header of a `.safetensors` file says of the model: the JSON under `mri_robust`, {} when absent.

    Raises:
        UserError: the file is absent, or no whole safetensors file.
    """
    _check_exists(path)
    try:
        with safe_open(path, framework="pt") as file:
            text = (file.metadata() or {}).get("mri_robust", "{}")
        metadata = parse_json(text)
    except (SafetensorError, OSError, ValueError) as error:
        what = "is an HTML page, not a model" if _is_html(path) else "is damaged or no safetensors file"
        raise UserError(f"checkpoint '{path}' {what}: fetch or train it again") from error
    return metadata if isinstance(metadata, dict) else {}


def _is_html(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(64).lstrip().lower().startswith((b"<!doctype", b"<html"))


def _check_exists(path: Path) -> None:
    """Check that there is a file; a pipe or a device is none, and could be waited for in vain."""
    if not os.path.isfile(path):
        what = "is no file" if os.path.exists(path) else "does not exist"
        raise UserError(f"model file '{path}' {what}: give a .safetensors or .pth file")
    if not os.access(path, os.R_OK):
        raise UserError(f"model file '{path}' may not be read: see its permissions")
