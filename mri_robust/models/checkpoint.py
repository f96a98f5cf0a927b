"""Checkpoints: safetensors files that say what they hold."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from mri_robust.core.errors import UserError
from mri_robust.core.hashing import plain
from mri_robust.core.json_text import check_shape
from mri_robust.core.validation import check_choice
from mri_robust.data.dataset import LARGEST, SMALLEST
from mri_robust.models.classifier import Classifier, build_model
from mri_robust.models.ensemble import Ensemble
from mri_robust.models.weights import read_notes, read_state_dict, write_tensors

_NUMBERS = (float, [float])
_CLASSIFIER = {"classes": [str], "image_size": int, "channels": str, "mean": _NUMBERS, "std": _NUMBERS}
Module = TypeVar("Module", bound=nn.Module)


def save_model(model: Classifier | Ensemble, path: str | Path, **notes: Any) -> None:
    """Write `model`, its description and `notes` (plain data) to a safetensors file in one move; folders are made."""
    write_tensors(Path(path), model.state_dict(), plain({"model": model.description(), **notes}))


def load_model(
    path: str | Path,
    *,
    architecture: str | None = None,
    classes: tuple[str, ...] | None = None,
    image_size: int | None = None,
) -> Classifier | Ensemble:
    """Build the model in a checkpoint again, on the CPU, in eval mode.

    Args:
        path: a file written by `save_model`; or a bare state dict of a network (`.safetensors` or `.pth`).
        architecture, classes, image_size: needed for a bare state dict; ignored for a checkpoint.

    Raises:
        UserError: the file is absent, damaged, no checkpoint, a snooping detector, holds code, or does not fit its
            description.
    """
    path = Path(path)
    header = read_notes(path) if path.suffix == ".safetensors" else {}
    if "detector" in header:
        way_out = "use it with mri-robust snoop --detector, or give a model of the data's classes"
        raise UserError(f"'{path}' is a snooping detector, not a classifier: {way_out}")
    state, description = read_state_dict(path), header.get("model")
    if isinstance(description, dict):
        return _filled(_build(description, state, path), state, path)
    if not (architecture and classes and image_size):
        way_out = "give architecture, classes and image_size to load_model"
        raise UserError(f"checkpoint '{path}' holds weights but not what they are: {way_out}")
    model = build_model(architecture, classes=tuple(classes), image_size=image_size)
    model.network = _filled(model.network, state, path)
    return model.eval()


def load_detector(path: str | Path) -> tuple[Classifier, dict[str, Any]]:
    """The model in a snooping detector's file, on the CPU, in eval mode, and what its header says under `detector`.

    Raises:
        UserError: the file is absent, damaged, a classifier, or holds anything else.
    """
    path = Path(path)
    header = read_notes(path)
    detector, description = header.get("detector"), header.get("model")
    what = "a classifier" if "model" in header else "a file of weights"
    if isinstance(detector, dict) and isinstance(description, dict):
        state = read_state_dict(path)
        model = _filled(_build(description, state, path), state, path)
        if isinstance(model, Classifier):
            return model, detector
        what = "an ensemble"
    raise UserError(f"'{path}' is {what}, not a snooping detector: give a file that Snooper.save wrote")


def check_classes(model: nn.Module, classes: tuple[str, ...], source: str) -> None:
    """Check that a model's classes, where it states them, are those of the data, or raise UserError."""
    own = tuple(getattr(model, "classes", classes))
    if own != tuple(classes):
        both = f"{len(own)} classes ({', '.join(own)}) and the data {len(classes)} ({', '.join(classes)})"
        raise UserError(f"model '{source}' has {both}: use a model trained on these classes")


def _filled(model: Module, state: dict[str, Tensor], path: Path) -> Module:
    """`model` with the weights of a file, in eval mode."""
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        raise UserError(f"checkpoint '{path}' does not fit its model: {str(error).splitlines()[-1].strip()}") from error
    broken = [name for name, tensor in model.state_dict().items() if not torch.isfinite(tensor).all()]
    broken += ["std" for part in model.modules() if isinstance(part, Classifier) and not (part.std > 0).all()]
    if broken:
        raise UserError(f"checkpoint '{path}' holds numbers in '{broken[0]}' that no model works with: train it again")
    return model.eval()


def _build(description: Mapping[str, Any], state: Mapping[str, Tensor], path: Path) -> Classifier | Ensemble:
    """The untrained module that a checkpoint's header describes; the global generator is not moved."""
    try:
        with torch.random.fork_rng(devices=[]):
            _check_tensors(description, state, path)
            return _described(description, state)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise UserError(f"checkpoint '{path}' has a header that describes no model: {error}") from error


def _check_tensors(description: Mapping[str, Any], state: Mapping[str, Tensor], path: Path) -> None:
    """Refuse a file whose tensors are not those of the module, built without memory: a header may ask for any size."""
    try:
        with torch.device("meta"):
            wanted = _described(description, state).state_dict()
    except RuntimeError:  # another package's architecture that looks at its own numbers
        return
    for name, tensor in wanted.items():
        if name not in state or state[name].shape != tensor.shape:
            found = list(state[name].shape) if name in state else "missing"
            wrong = f"'{name}' is {found}, not {list(tensor.shape)}"
            raise UserError(f"checkpoint '{path}' does not fit its model: {wrong}; train it again")


def _described(description: Mapping[str, Any], state: Mapping[str, Tensor]) -> Classifier | Ensemble:
    """The module of a header; ValueError and the like where it describes none."""
    if description.get("architecture") != "ensemble":
        return _classifier(description)
    check_shape(description, {"members": [object], "shares": [float]}, "its ensemble")
    members = description["members"]
    if not all(f"members.{index}.mean" in state for index in range(len(members))):
        raise ValueError(f"it has {len(members)} members and the weights of fewer")
    return Ensemble([_classifier(member) for member in members], description["shares"])


def _classifier(description: Mapping[str, Any]) -> Classifier:
    check_shape(description, {"architecture": str, **_CLASSIFIER}, "its model")
    check_choice("channels", description["channels"], ("grey", "rgb"))
    if len(description["classes"]) < 2 or not SMALLEST <= description["image_size"] <= LARGEST:
        raise ValueError(f"it needs two classes or more, and an image size from {SMALLEST} to {LARGEST}")
    said = {name: description[name] for name in _CLASSIFIER}
    return build_model(description["architecture"], **{**said, "classes": tuple(said["classes"])})
