"""A user's own PyTorch model: a checkpoint, `package.module:factory`, or `timm:NAME` (nothing is ever downloaded)."""

import difflib
import hashlib
import importlib
import os
import re
import sys
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mri_robust.core.errors import UserError
from mri_robust.core.eval_mode import device_of, eval_mode
from mri_robust.core.packages import import_extra, import_torchvision
from mri_robust.core.rng import seeded_globals
from mri_robust.data.dataset import LARGEST, SMALLEST
from mri_robust.models.checkpoint import load_model
from mri_robust.models.classifier import Classifier
from mri_robust.models.weights import hash_tensor, load_weights, read_state_dict

_TIMM = "timm:"
Numbers = tuple[float, ...]
"""One number for all channels, or one for each; () for none."""


class External(nn.Module):
    """A user's model behind (images - mean) / std: what goes wrong in it is said in one line, and attacks can use it.

    It states the model's `image_size`, `channels` and `classes` where they make sense. Where the model cuts its logits
    off from the images the gradient is zero, which the sanity checks warn of. `source` is what messages call it.
    """

    mean: Tensor | None
    std: Tensor

    def __init__(self, model: nn.Module, source: str, mean: Numbers = (), std: Numbers = ()) -> None:
        super().__init__()
        self.model, self.source = model, source
        self.register_buffer("mean", torch.tensor(mean).view(-1, 1, 1) if mean else None)
        self.register_buffer("std", torch.tensor(std).view(-1, 1, 1) if std else None)
        size, channels, classes = (getattr(model, name, None) for name in ("image_size", "channels", "classes"))
        if isinstance(size, int) and SMALLEST <= size <= LARGEST:
            self.image_size = size
        if channels in ("grey", "rgb"):
            self.channels = channels
        if isinstance(classes, (list, tuple)) and all(isinstance(name, str) for name in classes):
            self.classes = tuple(classes)

    def forward(self, images: Tensor) -> Tensor:
        """Logits of images [N, C, H, W] in [0, 1]; UserError where the model fails or gives numbers not finite."""
        try:
            logits = self.model(images if self.mean is None else (images - self.mean) / self.std)
            finite = not isinstance(logits, Tensor) or bool(torch.isfinite(logits).all())
        except UserError:
            raise
        except (Exception, SystemExit) as error:
            raise UserError(
                f"model '{self.source}' fails on images {list(images.shape)}: {_reason(error)}; see --size, --channels"
            ) from error
        if not finite:
            raise UserError(f"model '{self.source}' gives logits that are not finite: train or load it again")
        if isinstance(logits, Tensor) and images.requires_grad and not logits.requires_grad:
            logits = logits + 0.0 * images.sum()
        return logits


def open_model(
    source: str,
    *,
    weights: Path | None = None,
    mean: Numbers = (),
    std: Numbers = (),
    classes: tuple[str, ...] = (),
    image_size: int = 224,
    channels: str = "rgb",
) -> nn.Module:
    """A model in eval mode, on the CPU.

    Args:
        source: a checkpoint of this package; `package.module:factory`, a function without arguments that gives a
            `torch.nn.Module`, of a module that may lie in the current folder; or `timm:NAME`, a network of timm with
            one output per class, which sees a grey image as three equal channels. Random weights are always the same.
        weights: a state dict (`.safetensors`, or `.pth` with plain tensors) for what the factory or timm gives.
        mean, std: a normalisation in front; for timm's networks in place of timm's own.
        classes, image_size, channels: of the data; `timm:NAME` alone needs them.

    Raises:
        UserError: there is no such file, module, factory or network, it fails, or something does not fit.
        ValueError: `timm:NAME` without classes.
    """
    if (mean or std) and (len(mean) != len(std) or len(mean) not in (1, 3) or not all(value > 0 for value in std)):
        raise UserError(f"--mean and --std need one or three numbers each, std over 0; got {mean} and {std}")
    if is_timm(source):
        if not classes:
            raise ValueError(f"'{source}' needs the data's classes: give classes=")
        data = {"classes": classes, "image_size": image_size, "channels": channels}
        return External(_from_timm(source, weights, mean, std, data), source).eval()
    if ":" in source and not os.path.exists(source):  # Path.exists raises for a name that is too long
        return External(_from_factory(source, weights), source, mean, std).eval()
    if weights is not None:
        raise UserError("--weights goes with --model package.module:factory or timm:NAME; a checkpoint has its own")
    return External(load_model(source), source, mean, std).eval() if mean else load_model(source)


def is_timm(source: str) -> bool:
    """Whether a model is asked for as `timm:NAME`."""
    return source.startswith(_TIMM)


def timm_size(source: str) -> int:
    """Side in pixels of the images that `timm:NAME` was published for; UserError without timm or such a network."""
    return int(_published(source)[1].input_size[-1])


def check_logits(model: nn.Module, images: Tensor, classes: tuple[str, ...], source: str) -> None:
    """Check that a model takes the images and gives one finite logit per class, or raise UserError."""
    with eval_mode(model), torch.no_grad():
        logits = External(model, source)(images)
    wanted = [len(images), len(classes)]
    if isinstance(logits, Tensor) and logits.is_floating_point() and list(logits.shape) == wanted:
        return
    given = f"{logits.dtype} {list(logits.shape)}" if isinstance(logits, Tensor) else type(logits).__name__
    raise UserError(
        f"model '{source}' gives {given} for {len(images)} images: it must give logits {wanted} in floating point, "
        f"one for each of {', '.join(classes)}"
    )


def model_digest(model: nn.Module, shape: tuple[int, int, int]) -> str:
    """16 hex digits that name a model by what it computes on images of `shape` (C, H, W); the model is left as it was.

    SHA-256 over its class's name, its repr (without memory addresses), its state dict, and its logits on two fixed
    noise images to four digits: so code outside the state dict counts, and rounding does not.
    """
    kind, device = type(model), device_of(model)
    layers = re.sub("0x[0-9a-fA-F]+", "", repr(model))
    found = hashlib.sha256(f"{kind.__module__}.{kind.__qualname__}|{layers}|".encode())
    for name, value in model.state_dict().items():
        try:
            hash_tensor(found, name, value)
        except (AttributeError, RuntimeError, TypeError):  # no tensor, or one without plain bytes
            found.update(f"{name}|{value!r}|".encode())
    with eval_mode(model), torch.no_grad(), torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(0)
        logits = model(torch.rand(2, *shape).to(device))
    found.update(" ".join(f"{value:.4g}" for value in logits.double().flatten().tolist()).encode())
    return found.hexdigest()[:16]


def _from_factory(source: str, weights: Path | None) -> nn.Module:
    module_name, _, name = source.partition(":")
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    doing = "imported"
    try:
        with seeded_globals(0):
            factory = getattr(importlib.import_module(module_name), name)
            doing = "built"
            model = factory()
        if isinstance(model, nn.Module):
            model.eval()
    except (Exception, SystemExit) as error:  # the user's code, which may even end the program
        raise UserError(f"model '{source}' cannot be {doing}: {_reason(error)}") from error
    if not isinstance(model, nn.Module):
        raise UserError(f"model '{source}' is of type {type(model).__name__}: the factory must give a torch.nn.Module")
    if weights is not None:
        load_weights(model, read_state_dict(weights), weights, what=f"'{source}'")
    return model


def _from_timm(source: str, weights: Path | None, mean: Numbers, std: Numbers, data: dict[str, Any]) -> Classifier:
    (timm, published), size, classes = _published(source), data["image_size"], len(data["classes"])
    own = f"its own images have --size {published.input_size[-1]}"
    sized = {"img_size": size} if published.fixed_input_size else {}
    try:
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            torch.manual_seed(0)
            network = timm.create_model(source.removeprefix(_TIMM), num_classes=classes, **sized).eval()
            network(torch.zeros(1, 3, size, size))
    except Exception as error:  # timm raises whatever its networks do with a size that they are not made for
        raise UserError(f"model '{source}' takes no images of {size} pixels ({_reason(error, -1)}): {own}") from error
    if weights is not None:
        what = f"'{source}' with {classes} classes and {size} pixels ({own})"
        load_weights(network, read_state_dict(weights), weights, what=what)
    return Classifier(network, architecture=source, mean=mean or published.mean, std=std or published.std, **data)


def _published(source: str) -> tuple[Any, Any]:
    """timm, and what it says of the network's published weights."""
    import_torchvision()
    timm, name = import_extra("timm", "timm", f"model '{source}'"), source.removeprefix(_TIMM)
    if not timm.is_model(name):
        near = difflib.get_close_matches(name, timm.list_models(), n=3)
        known = f"did you mean {' or '.join(near)}?" if near else "timm.list_models() lists them"
        raise UserError(f"timm has no model '{name}'; {known}")
    return timm, timm.models.get_pretrained_cfg(name)


def _reason(error: BaseException, line: int = 0) -> str:
    """One line of what an error says."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[line].strip()}" if lines else type(error).__name__
