"""Networks of torchvision, with random or pretrained weights."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor, nn

from mri_robust.core.errors import UserError
from mri_robust.core.versions import import_torchvision
from mri_robust.models.weights_file import read_state_dict


def torchvision_resnet(name: str, classes: int, weights: str) -> nn.Module:
    """The ResNet called `name` of torchvision with a new `fc` of `classes` outputs.

    `weights` is `none`, `imagenet` (IMAGENET1K_V1, by torchvision's own loader) or the path of a state dict, whose
    `fc` is dropped where its shape differs.

    Raises:
        UserError: the weights cannot be downloaded or read, or do not fit the network; torchvision does not load.
    """
    models = import_torchvision().models
    pretrained = models.get_model_weights(name)["IMAGENET1K_V1"] if weights == "imagenet" else None
    try:
        network: nn.Module = models.get_model(name, weights=pretrained)
    except OSError as error:
        raise UserError(
            f"ImageNet weights of {name} cannot be downloaded ({error}): use --weights none, "
            "or --weights FILE with a state dict that you have"
        ) from error
    last = network.get_submodule("fc")
    network.add_module("fc", nn.Linear(int(last.in_features), classes))  # type: ignore[arg-type]
    if weights not in ("none", "imagenet"):
        _load_fitting(network, read_state_dict(Path(weights)), weights)
    return network


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
