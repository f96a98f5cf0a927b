"""Checkpoints: safetensors files that say by themselves what they hold."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from mri_robust.core.digest import canonical_json
from mri_robust.core.errors import UserError
from mri_robust.core.files import written_aside
from mri_robust.models.classifier import Classifier, build_model
from mri_robust.models.ensemble import Ensemble
from mri_robust.models.weights_file import read_metadata, read_state_dict

FORMAT = 1
Module = TypeVar("Module", bound=nn.Module)


def save_model(model: Classifier | Ensemble, path: str | Path, **notes: Any) -> None:
    """Write `model` to a safetensors file in one move.

    Args:
        model: the module; its description (architecture, classes, image size, normalisation) goes into the header.
        path: where to; folders are made.
        notes: plain data kept beside it (`recipe=`, `data_digest=`, `history=`, ...).
    """
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    header = canonical_json({"format": FORMAT, "model": model.description(), **notes})
    with written_aside(Path(path)) as aside:
        save_file(state, aside, metadata={"mri_robust": header})


def load_model(
    path: str | Path,
    *,
    architecture: str | None = None,
    classes: tuple[str, ...] | None = None,
    image_size: int | None = None,
) -> Classifier | Ensemble:
    """Build the model in a checkpoint again, on the CPU, in eval mode.

    Args:
        path: a file written by `save_model`, which needs nothing more; or a bare state dict of a network
            (`.safetensors` or `.pth`), for which the other arguments say what it is.
        architecture, classes, image_size: needed for a bare state dict; ignored for a checkpoint.

    Raises:
        UserError: the file is absent, damaged, no checkpoint, holds code, is a snooping detector, or does not fit what
            is said of it.
    """
    path = Path(path)
    header = read_metadata(path) if path.suffix == ".safetensors" else {}
    if "detector" in header:
        raise UserError(
            f"'{path}' is a snooping detector, not a classifier: give a model of the data's classes, "
            f"or use it with mri-robust snoop --detector"
        )
    state = read_state_dict(path)
    description = header.get("model")
    if isinstance(description, dict):
        model = _build(description, path)
    elif architecture and classes and image_size:
        model = build_model(architecture, classes=tuple(classes), image_size=image_size)
        state = {f"network.{name}": tensor for name, tensor in state.items()}
        state |= {"mean": model.mean, "std": model.std}
    else:
        raise UserError(
            f"checkpoint '{path}' holds weights but not what they are: give architecture, classes and image_size "
            "to load_model"
        )
    return _filled(model, state, path)


def load_detector(path: str | Path) -> tuple[Classifier, dict[str, Any]]:
    """Build the model in a snooping detector's file again, on the CPU, in eval mode.

    Returns:
        The classifier, and what its header says under `detector`.

    Raises:
        UserError: the file is absent, damaged, a classifier, or holds anything else.
    """
    path = Path(path)
    header = read_metadata(path)
    detector, description = header.get("detector"), header.get("model")
    if not isinstance(detector, dict) or not isinstance(description, dict):
        what = "a classifier" if "model" in header else "a file of weights"
        raise UserError(f"'{path}' is {what}, not a snooping detector: give a file that Snooper.save wrote")
    model = _filled(_build(description, path), read_state_dict(path), path)
    if not isinstance(model, Classifier):
        raise UserError(f"'{path}' is an ensemble, not a snooping detector: give a file that Snooper.save wrote")
    return model, detector


def read_notes(path: str | Path) -> dict[str, object]:
    """The header of a checkpoint: `model`, and whatever notes it was saved with.

    Raises:
        UserError: the file is absent or no whole safetensors file.
    """
    return read_metadata(Path(path))


def check_classes(model: nn.Module, classes: tuple[str, ...], source: str) -> None:
    """Check that a model's classes are those of the data.

    Raises:
        UserError: another number of classes, or other names.
    """
    own = tuple(getattr(model, "classes", classes))
    if own != tuple(classes):
        raise UserError(
            f"model '{source}' has {len(own)} classes ({', '.join(own)}) and the data {len(classes)} "
            f"({', '.join(classes)}): use a model trained on these classes"
        )


def _filled(model: Module, state: dict[str, Tensor], path: Path) -> Module:
    """`model` with the weights of a file, in eval mode."""
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        raise UserError(f"checkpoint '{path}' does not fit its model: {str(error).splitlines()[-1].strip()}") from error
    return model.eval()


def _build(description: Mapping[str, Any], path: Path) -> Classifier | Ensemble:
    """The untrained module that a checkpoint's header describes; no weights are drawn from the global generator."""
    try:
        if description["architecture"] == "ensemble":
            members = [_build(member, path) for member in description["members"]]
            return Ensemble([member for member in members if isinstance(member, Classifier)], description["shares"])
        with torch.random.fork_rng(devices=[]):
            return build_model(
                description["architecture"],
                classes=tuple(description["classes"]),
                image_size=int(description["image_size"]),
                channels=description["channels"],
                mean=description["mean"],
                std=description["std"],
            )
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"checkpoint '{path}' has a header that describes no model: {error}") from error
