"""Checkpoints: safetensors files that say what they hold."""

from collections.abc import Mapping
from contextlib import suppress
from math import inf
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mri_robust.core.errors import UserError
from mri_robust.core.hashing import plain
from mri_robust.core.validation import check_choice
from mri_robust.data.dataset import LARGEST, SMALLEST
from mri_robust.models.classifier import Classifier, Ensemble, build_model
from mri_robust.models.weights import load_weights, read_notes, read_state_dict, write_tensors


def save_model(model: Classifier | Ensemble, path: str | Path, **notes: Any) -> None:
    """Write `model`, its description and `notes` (plain data) to a safetensors file in one move; folders are made."""
    write_tensors(Path(path), model.state_dict(), plain({"model": model.description(), **notes}))


def load_model(path: str | Path) -> Classifier | Ensemble:
    """The model in a checkpoint, on the CPU, in eval mode; a bare state dict is for `build_model(..., weights=path)`.

    UserError where the file is absent, damaged, no checkpoint, holds code, or is a snooping detector.
    """
    model, header = _open(Path(path))
    if "detector" in header:
        raise UserError(
            f"'{path}' is a snooping detector, not a classifier: use it with mri-robust snoop --detector, or give a "
            "model of the data's classes"
        )
    return model


def load_detector(path: str | Path) -> tuple[Classifier, dict[str, Any]]:
    """The model in a snooping detector's file, on the CPU, in eval mode, and what its header says under `detector`.
    UserError where the file is absent, damaged, a classifier, or holds anything else."""
    model, header = _open(Path(path))
    detector = header.get("detector")
    if isinstance(detector, dict) and isinstance(model, Classifier):
        return model, detector
    what = "a classifier" if isinstance(model, Classifier) else "an ensemble"
    raise UserError(f"'{path}' is {what}, not a snooping detector: give a file that Snooper.save wrote")


def check_classes(model: nn.Module, classes: tuple[str, ...], source: str) -> None:
    """Raise UserError where a model states classes, and they are not those of the data, in number, name and order."""
    own = tuple(getattr(model, "classes", classes))
    if own != tuple(classes):
        raise UserError(
            f"model '{source}' has {len(own)} classes ({', '.join(own)}) and the data {len(classes)} "
            f"({', '.join(classes)}): use a model trained on these classes"
        )


def _open(path: Path) -> tuple[Classifier | Ensemble, dict[str, Any]]:
    """The model in a checkpoint, and the header; the global generator is not moved."""
    header = read_notes(path) if path.suffix == ".safetensors" else {}
    state, description = read_state_dict(path), header.get("model")
    if not isinstance(description, dict):
        raise UserError(
            f"checkpoint '{path}' holds weights but not what they are: name their model by --model "
            "package.module:factory --weights FILE, or in build_model(..., weights=FILE)"
        )
    try:
        with torch.random.fork_rng(devices=[]):
            # First without memory, for a header may ask for any size; other packages' architectures may not allow that.
            with suppress(RuntimeError), torch.device("meta"):
                _fill(_described(description, state), state, path, assign=True)
            model = _described(description, state)
    except (KeyError, TypeError, ValueError, RuntimeError, OverflowError) as error:
        raise UserError(f"checkpoint '{path}' has a header that describes no model: {error}") from error
    _fill(model, state, path)
    return model.eval(), header


def _fill(model: nn.Module, state: dict[str, Tensor], path: Path, *, assign: bool = False) -> None:
    """Put the weights of a checkpoint into its model; UserError where they do not fit, or no model works with them."""
    load_weights(model, state, path, what="the model of its header", assign=assign)
    broken = [name for name, tensor in model.state_dict().items() if not torch.isfinite(tensor).all()]
    broken += ["std" for part in model.modules() if isinstance(part, Classifier) and not (part.std > 0).all()]
    if broken:
        raise UserError(f"checkpoint '{path}' holds numbers in '{broken[0]}' that no model works with: train it again")


def _described(description: Mapping[str, Any], state: Mapping[str, Tensor]) -> Classifier | Ensemble:
    """The module of a header; ValueError and the like where it describes none."""
    if description.get("architecture") != "ensemble":
        return _classifier(description)
    members, shares = description["members"], _numbers(description["shares"])
    if not all(f"members.{index}.mean" in state for index in range(len(members))):
        raise ValueError(f"it has {len(members)} members and the weights of fewer")
    return Ensemble([_classifier(member) for member in members], shares)


def _classifier(description: Mapping[str, Any]) -> Classifier:
    classes, size, channels = (description[name] for name in ("classes", "image_size", "channels"))
    mean, std = (_numbers(description[name]) for name in ("mean", "std"))
    check_choice("channels", channels, ("grey", "rgb"))
    if not isinstance(classes, list) or len(classes) < 2 or not all(isinstance(name, str) for name in classes):
        raise ValueError("its classes are not two names or more")
    if type(size) is not int or not SMALLEST <= size <= LARGEST:
        raise ValueError(f"its image size is no whole number from {SMALLEST} to {LARGEST}")
    how: dict[str, Any] = {"mean": mean, "std": std, "channels": channels}
    return build_model(description["architecture"], classes=tuple(classes), image_size=size, **how)


def _numbers(value: Any) -> Any:
    """A number or a list of them; ValueError where one is none or not finite."""
    if not all(type(each) in (int, float) and abs(each) < inf for each in (value if type(value) is list else [value])):
        raise ValueError("its mean, std and shares are not all finite numbers")
    return value
