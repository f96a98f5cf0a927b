"""Networks of torchvision, with random or pretrained weights."""

from __future__ import annotations

import os
from http.client import HTTPException
from pathlib import Path

import torch
from torch import Tensor, nn

from mri_robust.core.errors import UserError
from mri_robust.core.packages import import_torchvision
from mri_robust.data.cache import checksum
from mri_robust.models.weights_file import read_state_dict


def torchvision_resnet(name: str, classes: int, weights: str, folder: Path | None = None) -> nn.Module:
    """The ResNet called `name` of torchvision with a new `fc` of `classes` outputs.

    Args:
        name: `resnet18`, `resnet50` or another of torchvision's.
        classes: outputs of the new `fc`.
        weights: `none` (random), `imagenet` (IMAGENET1K_V1: the file of `find_imagenet`, else downloaded into torch's
            hub cache), or the path of a state dict. A file's `fc` is dropped where its shape differs.
        folder: where to look for the ImageNet weights first; not read for other `weights`.

    Raises:
        UserError: the weights cannot be found, downloaded or read, or do not fit the network; torchvision does not
            load.
    """
    file = None if weights == "none" else Path(weights)
    if weights == "imagenet":
        file = find_imagenet(name, folder) or _download_imagenet(name)
    network: nn.Module = import_torchvision().models.get_model(name)
    last = network.get_submodule("fc")
    network.add_module("fc", nn.Linear(int(last.in_features), classes))  # type: ignore[arg-type]
    if file is not None:
        _load_fitting(network, read_state_dict(file), str(file))
    return network


def find_imagenet(name: str, folder: Path | None) -> Path | None:
    """The file of torchvision's ImageNet weights of network `name` on this machine; None where there is none.

    Looks in `folder`, where one is named, then in torch's hub cache (`TORCH_HOME`); never on the network.

    Raises:
        UserError: `folder` is no folder, or a file of that name cannot be read or has another content (its SHA-256
            must begin as its name says).
        ValueError: torchvision has no network called `name`.
    """
    file_name = imagenet_file_name(name)
    if folder is not None and not os.path.isdir(folder):
        raise UserError(f"weights folder '{folder}' does not exist: make it and put {file_name} in it, or name another")
    for place in (folder, _hub_cache()):
        # os.path.isfile, for Path.is_file raises where a home folder is closed to this user: no file is had from it
        if place is not None and os.path.isfile(place / file_name):
            _check_content(place / file_name, _imagenet_url(name))
            return place / file_name
    return None


def imagenet_file_name(name: str) -> str:
    """What torchvision calls the file of network `name`'s ImageNet weights: `resnet18-f37072fd.pth`.

    Raises:
        ValueError: torchvision has no network called `name`.
    """
    return _imagenet_url(name).rpartition("/")[2]


def _imagenet_url(name: str) -> str:
    return str(import_torchvision().models.get_model_weights(name)["IMAGENET1K_V1"].url)


def _hash_prefix(url: str) -> str:
    return Path(url).stem.rpartition("-")[2]


def _hub_cache() -> Path:
    return Path(torch.hub.get_dir(), "checkpoints")


def _check_content(path: Path, url: str) -> None:
    expected = _hash_prefix(url)
    try:
        found = checksum(path)
    except OSError as error:
        raise UserError(f"weights '{path}' cannot be read: {error.strerror or error}; fetch {url} again") from error
    if not found.startswith(expected):
        raise UserError(
            f"weights '{path}' are cut short or not torchvision's: their SHA-256 begins {found[: len(expected)]}, "
            f"not {expected}; delete the file, or fetch {url} again"
        )


def _download_imagenet(name: str) -> Path:
    url, file_name, cache = _imagenet_url(name), imagenet_file_name(name), _hub_cache()
    try:
        cache.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(url, str(cache / file_name), _hash_prefix(url))
    except (OSError, HTTPException, RuntimeError) as error:  # torch reports a wrong hash as a RuntimeError
        raise UserError(
            f"ImageNet weights of {name} cannot be downloaded ({error}): put {file_name} from {url} into '{cache}' or "
            "the folder of --weights-dir, or use --weights none"
        ) from error
    return cache / file_name


def _load_fitting(network: nn.Module, state: dict[str, Tensor], source: str) -> None:
    own = network.state_dict()
    fits = {key for key, value in state.items() if key in own and own[key].shape == value.shape}
    state = {key: value for key, value in state.items() if not key.startswith("fc.") or key in fits}
    try:
        missing, unexpected = network.load_state_dict(state, strict=False)
    except RuntimeError as error:
        raise UserError(f"weights '{source}' do not fit the network: {str(error).splitlines()[-1]}") from error
    wrong = [key for key in (*missing, *unexpected) if not key.startswith("fc.")]
    if wrong:
        raise UserError(f"weights '{source}' do not fit the network: {len(wrong)} names differ, first '{wrong[0]}'")
