"""Weights in files: read without running code, written whole; and torchvision's networks with weights from anywhere."""

import hashlib
import json
import os
import re
import warnings
from collections.abc import Mapping
from http.client import HTTPException
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from mri_robust.core.errors import UserError
from mri_robust.core.files import written_aside
from mri_robust.core.packages import import_torchvision

_KEYS = ("state_dict", "model_state_dict", "model", "net")
"""What training scripts call the state dict among the things that they save."""
_PREFIXES = ("module.", "_orig_mod.", "model.", "net.")  # of DataParallel, torch.compile, Lightning and others


def torchvision_resnet(name: str, classes: int, image_size: int, weights: str = "none") -> nn.Module:
    """The ResNet called `name` of torchvision with a new `fc` of `classes` outputs, for images of any size.

    `weights` are `none` (random), `imagenet` (IMAGENET1K_V1, from torch's hub cache or downloaded into it), or the path
    of a state dict, whose `fc` is dropped where its shape differs. UserError where the weights cannot be found,
    downloaded or read, or do not fit, or torchvision does not load.
    """
    network = import_torchvision().models.get_model(name)
    network.fc = nn.Linear(network.fc.in_features, classes)
    if weights != "none":
        file = Path(weights) if weights != "imagenet" else find_imagenet(name, None) or _download_imagenet(name)
        state, fc = read_state_dict(file), network.fc.state_dict(prefix="fc.")
        shapes = {key: value.shape for key, value in fc.items()}
        fits = {key for key in state if not key.startswith("fc.") or shapes.get(key) == state[key].shape}
        load_weights(network, {**fc, **{key: state[key] for key in fits}}, file)
    return network


def find_imagenet(name: str, folder: Path | None) -> Path | None:
    """The file of torchvision's ImageNet weights of network `name` on this machine; None where there is none.

    Looks in `folder`, where one is named, then in torch's hub cache (`TORCH_HOME`); never on the network. UserError
    where `folder` is no folder, or a file of that name cannot be read or has another SHA-256 than it says.
    """
    url, file_name, expected = _imagenet(name)
    if folder is not None and not os.path.isdir(folder):
        raise UserError(f"weights folder '{folder}' does not exist: make it and put {file_name} in it, or name another")
    places = (folder, Path(torch.hub.get_dir(), "checkpoints"))
    # os.path.isfile, for Path.is_file raises where a home folder is closed to this user: no file is had from it
    path = next((each / file_name for each in places if each and os.path.isfile(each / file_name)), None)
    if path is None:
        return None
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()[: len(expected)]
    except OSError as error:
        raise UserError(f"weights '{path}' cannot be read: {error.strerror or error}; fetch {url} again") from error
    if found != expected:
        raise UserError(
            f"weights '{path}' are cut short or not torchvision's: their SHA-256 begins {found}, not {expected}; "
            f"delete the file, or fetch {url} again"
        )
    return path


def _imagenet(name: str) -> tuple[str, str, str]:
    """Where torchvision's ImageNet weights are, the file's name (`resnet18-f37072fd.pth`), and the hash in it."""
    url = str(import_torchvision().models.get_model_weights(name)["IMAGENET1K_V1"].url)
    file_name = url.rpartition("/")[2]
    return url, file_name, Path(file_name).stem.rpartition("-")[2]


def _download_imagenet(name: str) -> Path:
    (url, file_name, expected), cache = _imagenet(name), Path(torch.hub.get_dir(), "checkpoints")
    try:
        cache.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(url, str(cache / file_name), expected)
    except (OSError, HTTPException, RuntimeError) as error:  # torch reports a wrong hash as a RuntimeError
        raise UserError(
            f"ImageNet weights of {name} cannot be downloaded ({error}): put {file_name} from {url} into '{cache}' or "
            "the folder of --weights-dir, or use --weights none"
        ) from error
    return cache / file_name


def load_weights(
    model: nn.Module, state: Mapping[str, Tensor], file: Path, *, what: str = "the network", assign: bool = False
) -> str:
    """Put the tensors of a file into a model, `assign` as in `load_state_dict`; UserError where they do not fit.
    Returns the prefixes of wrappers, such as `module.`, that were taken off every name because the names then fit."""
    wanted, bare, taken = model.state_dict().keys(), dict(state), ""
    while bare and bare.keys() != wanted:
        prefix = next((each for each in _PREFIXES if all(name.startswith(each) for name in bare)), "")
        if not prefix:
            break
        bare, taken = {name.removeprefix(prefix): tensor for name, tensor in bare.items()}, taken + prefix
    try:
        model.load_state_dict(bare if bare.keys() == wanted else state, assign=assign)
    except (RuntimeError, TypeError, ValueError, AttributeError) as error:
        # PyTorch lists all misfits; the last line names one.
        reason = (str(error).strip().splitlines() or [type(error).__name__])[-1].strip()
        raise UserError(f"weights '{file}' do not fit {what}: {reason}") from error
    return taken if bare.keys() == wanted else ""


def read_notes(path: str | Path) -> dict[str, Any]:
    """A checkpoint's header: `model`, and its notes; {} without one. UserError for no whole safetensors file."""
    path = Path(path)
    _check_exists(path)
    try:
        with safe_open(path, framework="pt") as file:
            notes = json.loads((file.metadata() or {}).get("mri_robust", "{}"))
    except (SafetensorError, OSError, ValueError, RecursionError) as error:
        with path.open("rb") as start:
            html = start.read(64).lstrip().lower().startswith((b"<!doctype", b"<html"))
        what = "is an HTML page, not a model" if html else "is damaged or no safetensors file"
        raise UserError(f"checkpoint '{path}' {what}: fetch or train it again") from error
    return notes if isinstance(notes, dict) else {}


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """Tensors by name from a `.safetensors` file, or from a `.pth` that `torch.load(weights_only=True)` accepts.
    UserError where the file is absent, no such file, truncated, or a pickle with more than tensors in it."""
    if path.suffix == ".safetensors":
        header = read_notes(path)
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
    if isinstance(state, dict):
        state = next((state[key] for key in _KEYS if isinstance(state.get(key), dict)), state)
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()) or not state:
        raise UserError(f"weights '{path}' hold no state dict (a mapping of names to tensors)")
    return {str(key): value for key, value in state.items()}


def write_tensors(path: Path, tensors: Mapping[str, Tensor], header: Mapping[str, Any]) -> None:
    """Write tensors on any device and a header of plain data to a `.safetensors` file in one move, or raise OSError. A
    `checksum` joins the header, by which `read_state_dict` notices damage to any byte."""
    copies = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    text = json.dumps({**header, "checksum": _checksum(header, copies)})
    with written_aside(path) as aside:
        try:
            save_file(copies, aside, metadata={"mri_robust": text})
        except SafetensorError as error:  # it wraps the system's error in words
            number = re.search(r"os error (\d+)", str(error))
            if number is None:
                raise
            raise OSError(int(number[1]), os.strerror(int(number[1])), str(path)) from error


def hash_tensor(found: Any, name: str, tensor: Tensor) -> None:
    """Add a dense tensor's name, type, shape and bytes to a `hashlib` object."""
    found.update(f"{name}|{tensor.dtype}|{tuple(tensor.shape)}|".encode())
    found.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)


def _checksum(header: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> str:
    """First 16 hex digits of the SHA-256 over the header but its checksum, and the tensors."""
    said = {name: value for name, value in header.items() if name != "checksum"}
    found = hashlib.sha256(json.dumps(said, sort_keys=True).encode())
    for name in sorted(tensors):
        hash_tensor(found, name, tensors[name])
    return found.hexdigest()[:16]


def _check_exists(path: Path) -> None:
    """Check that there is a file; a pipe or a device is none, and could be waited for in vain."""
    if not os.path.isfile(path):
        what = "is no file" if os.path.exists(path) else "does not exist"
        raise UserError(f"model file '{path}' {what}: give a .safetensors or .pth file")
    if not os.access(path, os.R_OK):
        raise UserError(f"model file '{path}' may not be read: see its permissions")
