"""Networks of torchvision, with random or pretrained weights."""

from __future__ import annotations

import hashlib
import os
from http.client import HTTPException
from pathlib import Path

import torch
from torch import Tensor, nn

from mri_robust.core.errors import UserError
from mri_robust.core.packages import import_torchvision
from mri_robust.models.checkpoint import read_state_dict


def torchvision_resnet(name: str, classes: int, weights: str) -> nn.Module:
    """The ResNet called `name` of torchvision with a new `fc` of `classes` outputs.

    `weights` are `none` (random), `imagenet` (IMAGENET1K_V1, from torch's hub cache or downloaded into it), or the path
    of a state dict, whose `fc` is dropped where its shape differs.

    Raises:
        UserError: the weights cannot be found, downloaded or read, or do not fit; torchvision does not load.
    """
    file = None if weights == "none" else Path(weights)
    if weights == "imagenet":
        file = find_imagenet(name, None) or _download_imagenet(name)
    network: nn.Module = import_torchvision().models.get_model(name)
    last = network.get_submodule("fc")
    network.add_module("fc", nn.Linear(int(last.in_features), classes))  # type: ignore[arg-type]
    if file is not None:
        _load_all_but_fc(network, read_state_dict(file), file)
    return network


def find_imagenet(name: str, folder: Path | None) -> Path | None:
    """The file of torchvision's ImageNet weights of network `name` on this machine; None where there is none.

    Looks in `folder`, where one is named, then in torch's hub cache (`TORCH_HOME`); never on the network.

    Raises:
        UserError: `folder` is no folder, or a file of that name cannot be read or has another SHA-256 than it says.
        ValueError: torchvision has no network called `name`.
    """
    url, file_name, expected = _imagenet(name)
    if folder is not None and not os.path.isdir(folder):
        raise UserError(f"weights folder '{folder}' does not exist: make it and put {file_name} in it, or name another")
    for place in (folder, Path(torch.hub.get_dir(), "checkpoints")):
        # os.path.isfile, for Path.is_file raises where a home folder is closed to this user: no file is had from it
        if place is not None and os.path.isfile(place / file_name):
            _check_content(place / file_name, url, expected)
            return place / file_name
    return None


def _imagenet(name: str) -> tuple[str, str, str]:
    """Where torchvision's ImageNet weights are, the file's name (`resnet18-f37072fd.pth`), and the hash in it."""
    url = str(import_torchvision().models.get_model_weights(name)["IMAGENET1K_V1"].url)
    file_name = url.rpartition("/")[2]
    return url, file_name, Path(file_name).stem.rpartition("-")[2]


def _check_content(path: Path, url: str, expected: str) -> None:
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


def _load_all_but_fc(network: nn.Module, state: dict[str, Tensor], file: Path) -> None:
    own = network.state_dict()
    fits = [key for key, value in state.items() if key in own and own[key].shape == value.shape]
    state = {key: value for key, value in state.items() if key in fits or not key.startswith("fc.")}
    try:
        missing, unexpected = network.load_state_dict(state, strict=False)
    except RuntimeError as error:
        raise UserError(f"weights '{file}' do not fit the network: {str(error).splitlines()[-1]}") from error
    wrong = [key for key in (*missing, *unexpected) if not key.startswith("fc.")]
    if wrong:
        raise UserError(f"weights '{file}' do not fit the network: {len(wrong)} names differ, first '{wrong[0]}'")
