"""Networks of torchvision, with random or pretrained weights."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor, nn

from mri_robust.core.errors import UserError
from mri_robust.models.weights_file import read_state_dict

try:
    from torchvision import models as torchvision_models
except (RuntimeError, ImportError) as error:  # torch and torchvision builds that clash fail at import
    from importlib.metadata import version

    raise UserError(
        f"torchvision {version('torchvision')} does not work with torch {version('torch')} ({error}): "
        "install matching builds with: pip install --upgrade torch torchvision"
    ) from error


def torchvision_resnet(name: str, classes: int, weights: str) -> nn.Module:
    """The ResNet called `name` of torchvision with a new `fc` of `classes` outputs.

    `weights` is `none`, `imagenet` (IMAGENET1K_V1, by torchvision's own loader) or the path of a state dict, whose
    `fc` is dropped where its shape differs.

    Raises:
        UserError: the weights cannot be downloaded or read, or do not fit the network.
    """
    pretrained = _imagenet_weights(name) if weights == "imagenet" else None
    try:
        network = torchvision_models.get_model(name, weights=pretrained)
    except OSError as error:
        raise UserError(
            f"ImageNet weights of {name} cannot be downloaded ({error}): use --weights none, "
            "or --weights FILE with a state dict that you have"
        ) from error
    network.fc = nn.Linear(network.fc.in_features, classes)
    if weights not in ("none", "imagenet"):
        _load_fitting(network, read_state_dict(Path(weights)), weights)
    return network


def _imagenet_weights(name: str) -> object:
    return torchvision_models.get_model_weights(name)["IMAGENET1K_V1"]


def _load_fitting(network: nn.Module, state: dict[str, Tensor], source: str) -> None:
    own = network.state_dict()
    state = {key: value for key, value in state.items() if not key.startswith("fc.") or own[key].shape == value.shape}
    try:
        missing, unexpected = network.load_state_dict(state, strict=False)
    except RuntimeError as error:
        raise UserError(f"weights '{source}' do not fit the network: {str(error).splitlines()[-1]}") from error
    wrong = [key for key in (*missing, *unexpected) if not key.startswith("fc.")]
    if wrong:
        raise UserError(f"weights '{source}' do not fit the network: {len(wrong)} names differ, first '{wrong[0]}'")
