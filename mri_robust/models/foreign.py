"""Anybody's PyTorch model, by checkpoint or by factory."""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path

import torch
from torch import Tensor, nn

from mri_robust.core.eval_mode import eval_mode
from mri_robust.core.errors import UserError
from mri_robust.data.dataset import LARGEST, SMALLEST
from mri_robust.models.checkpoint import load_model
from mri_robust.models.weights_file import read_state_dict


class Normalised(nn.Module):
    """A model behind (images - mean) / std, so that it takes pixels in [0, 1].

    Attributes:
        model: takes normalised images.
        mean, std: one number a channel, or one for all.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, model: nn.Module, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        super().__init__()
        self.model = model
        self.register_buffer("mean", torch.tensor(mean).view(-1, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(-1, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        """Logits of images [N, C, H, W] in [0, 1]."""
        return self.model((images - self.mean) / self.std)


class Guarded(nn.Module):
    """A stranger's model: what goes wrong in it is said in one line, and an attack always finds a gradient.

    Where the model cuts its logits off from the images the gradient is zero, which the sanity checks warn of.

    Attributes:
        model: the model.
        source: what messages call it.
        image_size, channels: what the model states of its images, where a data set can be read like that.
    """

    def __init__(self, model: nn.Module, source: str) -> None:
        super().__init__()
        self.model = model
        self.source = source
        size, channels = getattr(model, "image_size", None), getattr(model, "channels", None)
        if isinstance(size, int) and SMALLEST <= size <= LARGEST:
            self.image_size = size
        if channels in ("grey", "rgb"):
            self.channels = channels

    def forward(self, images: Tensor) -> Tensor:
        """Logits of images [N, C, H, W] in [0, 1].

        Raises:
            UserError: the model fails on them, or gives numbers that are not finite.
        """
        try:
            logits = self.model(images)
            finite = not isinstance(logits, Tensor) or bool(torch.isfinite(logits).all())
        except (Exception, SystemExit) as error:
            raise UserError(
                f"model '{self.source}' fails on images {list(images.shape)}: {_reason(error)}; see --size, --channels"
            ) from error
        if not finite:
            raise UserError(f"model '{self.source}' gives logits that are not finite: train it, or take float32")
        if isinstance(logits, Tensor) and images.requires_grad and not logits.requires_grad:
            logits = logits + 0.0 * images.sum()
        return logits


def open_model(
    source: str,
    *,
    weights: Path | None = None,
    mean: tuple[float, ...] = (),
    std: tuple[float, ...] = (),
) -> nn.Module:
    """A model in eval mode, on the CPU.

    Args:
        source: a checkpoint of this package, or `package.module:factory`, a function without arguments that gives a
            `torch.nn.Module`; modules are also looked for in the current folder.
        weights: a state dict (`.safetensors`, or `.pth` with plain tensors) to load into what the factory gives.
        mean, std: put a normalisation in front, when the model does not normalise itself.

    Raises:
        UserError: there is no such file, module or factory, it fails, or the weights do not fit.
    """
    model = _from_factory(source, weights) if _is_factory(source) else _from_checkpoint(source, weights)
    if mean or std:
        check_normalisation(mean, std)
        model = Normalised(model, mean, std)
    return model.eval()


def check_normalisation(mean: tuple[float, ...], std: tuple[float, ...]) -> None:
    """Check that there is one mean and one deviation, or three of each.

    Raises:
        UserError: there are others.
    """
    if len(mean) != len(std) or len(mean) not in (1, 3) or not all(value > 0 for value in std):
        raise UserError(f"--mean and --std need one or three numbers each, std over 0; got {mean} and {std}")


def check_logits(model: nn.Module, images: Tensor, classes: tuple[str, ...], source: str) -> None:
    """Check that a model takes the images and gives one finite logit a class.

    Raises:
        UserError: it fails on them, or gives something else.
    """
    try:
        with eval_mode(model), torch.no_grad():
            logits = model(images)
    except UserError:
        raise
    except Exception as error:  # anything may go wrong in a model
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(
            f"model '{source}' fails on images {list(images.shape)}: {reason}; see --size, --channels"
        ) from error
    if not isinstance(logits, Tensor) or logits.shape != (len(images), len(classes)):
        found = list(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        raise UserError(
            f"model '{source}' gives {found} for {len(images)} images: it must give logits "
            f"[{len(images)}, {len(classes)}], one for each of {', '.join(classes)}"
        )
    if not logits.is_floating_point():
        raise UserError(f"model '{source}' gives {logits.dtype}: it must give logits in floating point")
    if not torch.isfinite(logits).all():
        raise UserError(f"model '{source}' gives logits that are not finite on clean images: train or load it again")


def _is_factory(source: str) -> bool:
    return ":" in source and not os.path.exists(source)  # Path.exists raises for a name that is too long


def _from_checkpoint(source: str, weights: Path | None) -> nn.Module:
    if weights is not None:
        raise UserError("--weights goes with --model package.module:factory or timm:NAME; a checkpoint has its own")
    return load_model(source)


def _from_factory(source: str, weights: Path | None) -> nn.Module:
    module_name, _, name = source.partition(":")
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        factory = getattr(importlib.import_module(module_name), name)
    except (Exception, SystemExit) as error:  # a stranger's code, which may even end the program
        raise UserError(f"model '{source}' cannot be imported: {_reason(error)}") from error
    try:
        model = factory()
        if isinstance(model, nn.Module):
            model.eval()
    except (Exception, SystemExit) as error:
        raise UserError(f"model '{source}' cannot be made: {_reason(error)}") from error
    if not isinstance(model, nn.Module):
        raise UserError(f"model '{source}' is a {type(model).__name__}: the factory must give a torch.nn.Module")
    if weights is not None:
        try:
            model.load_state_dict(read_state_dict(weights))
        except (RuntimeError, TypeError, ValueError, AttributeError) as error:
            # PyTorch heads a list of misfits; the last of them says most.
            raise UserError(f"weights '{weights}' do not fit '{source}': {_reason(error, -1)}") from error
    return Guarded(model, source)


def _reason(error: BaseException, line: int = 0) -> str:
    """One line of what an error says."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[line].strip()}" if lines else type(error).__name__
