"""Networks of timm by name (https://github.com/huggingface/pytorch-image-models); nothing is ever downloaded."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any

import torch
from torch import nn

from mri_robust.core.errors import UserError
from mri_robust.core.packages import import_extra
from mri_robust.core.packages import import_torchvision
from mri_robust.models.classifier import Classifier
from mri_robust.models.foreign import Guarded, check_normalisation
from mri_robust.models.weights_file import read_state_dict

PREFIX = "timm:"


def is_timm(source: str) -> bool:
    """Whether a model is asked for as `timm:<name>`."""
    return source.startswith(PREFIX)


def timm_size(source: str) -> int:
    """The image side that a network's weights are published for, pixels.

    Raises:
        UserError: timm is not installed, or has no such network.
    """
    return int(_published(source).input_size[-1])


def open_timm(
    source: str,
    *,
    classes: tuple[str, ...],
    image_size: int,
    channels: str,
    weights: Path | None = None,
    mean: tuple[float, ...] = (),
    std: tuple[float, ...] = (),
) -> nn.Module:
    """A classifier around a network of timm, in eval mode, on the CPU.

    Args:
        source: `timm:<name>`, such as `timm:vit_tiny_patch16_224`.
        classes, image_size, channels: of the data. A grey image is shown to the network as three equal channels.
        weights: a state dict of that network with an output for each of the classes; random ones, the same at each
            call, when None.
        mean, std: normalisation, one number each or three; what timm states of the published weights when empty.

    Raises:
        UserError: timm is not installed, has no such network, cannot make it for this size, the weights do not fit, or
            the mean and deviation are no normalisation.
    """
    if mean or std:
        check_normalisation(mean, std)
    published = _published(source)
    timm, own = import_extra("timm", "timm", f"model '{source}'"), f"its own images have --size {timm_size(source)}"
    sized = {"img_size": image_size} if published.fixed_input_size else {}
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            network = timm.create_model(source.removeprefix(PREFIX), num_classes=len(classes), **sized).eval()
        with torch.no_grad():
            network(torch.zeros(1, 3, image_size, image_size))
    except Exception as error:  # timm raises whatever its networks do with a size that they are not made for
        raise UserError(f"model '{source}' takes no images of {image_size} pixels ({_line(error)}): {own}") from error
    if weights is not None:
        try:
            network.load_state_dict(read_state_dict(weights))
        except RuntimeError as error:
            raise UserError(
                f"weights '{weights}' do not fit '{source}' with {len(classes)} classes and {image_size} pixels: "
                f"{_line(error)}; {own}"
            ) from error
    model = Classifier(
        network,
        architecture=source,
        classes=classes,
        image_size=image_size,
        channels=channels,
        mean=_one_or_three(mean or published.mean),
        std=_one_or_three(std or published.std),
    )
    return Guarded(model, source).eval()


def _published(source: str) -> Any:
    """What timm says of the network's published weights."""
    import_torchvision()
    timm, name = import_extra("timm", "timm", f"model '{source}'"), source.removeprefix(PREFIX)
    if not timm.is_model(name):
        near = difflib.get_close_matches(name, timm.list_models(), n=3)
        known = f"did you mean {' or '.join(near)}?" if near else "timm.list_models() lists them"
        raise UserError(f"timm has no model '{name}'; {known}")
    return timm.models.get_pretrained_cfg(name)


def _one_or_three(values: tuple[float, ...]) -> float | tuple[float, ...]:
    return values[0] if len(values) == 1 else values


def _line(error: Exception) -> str:
    """The last line of what an error says: PyTorch heads a list of misfits."""
    return (str(error).strip().splitlines() or [type(error).__name__])[-1].strip()
