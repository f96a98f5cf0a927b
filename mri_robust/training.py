"""The one training loop: loss, optimiser, scheduler, augmentation and adversary come in as objects.

A training can be cut short and go on exactly: after each epoch its whole state is one safetensors file.
"""

import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mri_robust.core.errors import UserError
from mri_robust.core.eval_mode import device_of
from mri_robust.core.machine import keep_freed_memory, resolve_precision
from mri_robust.core.rng import make_generator
from mri_robust.core.validation import check_choice, check_count, check_number, to_unit_range
from mri_robust.models.weights import read_notes, read_state_dict, write_tensors

Augment = Callable[[Tensor, torch.Generator], Tensor]
"""(images [N, C, H, W] in [0, 1], generator) -> images of the same shape."""
Stamp = Callable[[Tensor, Tensor, torch.Generator], Tensor]
"""(images [N, C, H, W] in [0, 1], their places [N] in the training set, generator) -> images of the same shape."""
Adversary = Callable[[nn.Module, Tensor, Tensor, torch.Generator], tuple[Tensor, Tensor]]
"""(model, images, labels, generator) -> the images and labels to train on instead."""
Record = dict[str, Any]


@dataclass(frozen=True)
class FitSettings:
    """How long, in what batches and in what number format to train.

    Attributes:
        epochs: passes over the images.
        batch_size: images per step, before an adversary adds its own.
        seed: decides the order of the images, the augmentation and the adversary's draws.
        precision: `fp32`, `bf16` (autocast), or `auto` for bf16 where the processor computes in it.
        clip_norm: greatest L2 norm of the whole gradient, cut before the optimizer steps; None for no cut.
        watched: the figure of an epoch's record that a `ReduceLROnPlateau` scheduler gets, `loss` or `accuracy`.
        on_step: called after each step with the images done and the images in all.
        on_epoch: called after each epoch with the model; what it returns joins the epoch's record.
        resume: a file that holds the training after each epoch but the last; where it is there, training goes on from
            it. It is for one training alone, and whoever stores the trained model deletes it.
    """

    epochs: int = 10
    batch_size: int = 8
    seed: int = 0
    precision: str = "auto"
    clip_norm: float | None = None
    watched: str = "loss"
    on_step: Callable[[int, int], None] | None = None
    on_epoch: Callable[[nn.Module], Record] | None = None
    resume: Path | None = None

    def __post_init__(self) -> None:
        check_count("epochs", self.epochs)
        check_count("batch_size", self.batch_size)
        check_choice("precision", self.precision, ("auto", "fp32", "bf16"))
        check_choice("watched", self.watched, ("loss", "accuracy"))
        if self.clip_norm is not None:
            check_number("clip_norm", self.clip_norm, 0.0, open_low=True)


@dataclass(frozen=True)
class Changes:
    """What happens to a batch before the loss is taken, in this order; None leaves it as it is."""

    augment: Augment | None = None  # changes the images, on the CPU
    stamp: Stamp | None = None  # draws triggers or patterns on some of them, on the CPU; is told which images they are
    adversary: Adversary | None = None  # replaces the batch by what to train on, on the model's device


def fit(
    model: nn.Module,
    images: np.ndarray | Tensor,
    labels: np.ndarray | Tensor,
    *,
    optimizer: torch.optim.Optimizer,
    settings: FitSettings | None = None,
    loss: nn.Module | None = None,
    scheduler: Any = None,
    changes: Changes | None = None,
) -> list[Record]:
    """Train `model` in place, on the device it is on; it is left in eval mode.

    A step takes a batch, changes it (augment, stamp, adversary), then descends the loss. The same arguments give
    the same weights on the same number of threads. The process keeps its freed memory from then on, see
    `core.machine.keep_freed_memory`: gradients of many parameters are new in every step.

    Args:
        model: takes float32 images in [0, 1], gives logits.
        images: uint8 [N, C, H, W], or float32 in [0, 1].
        labels: integers [N].
        optimizer: over the model's parameters.
        settings: epochs, batch size, seed, precision and callbacks; `FitSettings()` when None.
        loss: of (logits, labels); cross entropy when None.
        scheduler: stepped after each epoch.
        changes: what happens to a batch before the loss is taken; nothing when None.

    Returns:
        One record per epoch: `epoch`, `loss`, `accuracy` (on what was trained on), `seconds`, and what `on_epoch` gave.

    Raises:
        UserError: the loss is not finite; or the file to go on from is damaged or another training's.
        ValueError: images and labels differ in number, or there are none.
    """
    settings = settings or FitSettings()
    if len(images) != len(labels) or not len(labels):
        raise ValueError(f"need one label per image and at least one, got {len(images)} images, {len(labels)} labels")
    keep_freed_memory()
    loop = _Loop(model, optimizer, loss or nn.CrossEntropyLoss(), settings, changes or Changes())
    pixels = images if isinstance(images, Tensor) else torch.from_numpy(np.array(images))
    targets = torch.as_tensor(np.array(labels)).long()
    model.to(memory_format=torch.channels_last)
    parts = {"model": model, "optimizer": optimizer, "loss": loop.loss, "scheduler": scheduler}
    history = resume_training(settings.resume, parts) if settings.resume else []
    for epoch in range(len(history) + 1, settings.epochs + 1):
        record = loop.epoch(epoch, pixels, targets)
        if settings.on_epoch:
            record |= settings.on_epoch(model)
        if isinstance(scheduler, torch.optim.lr_scheduler.ReduceLROnPlateau):
            scheduler.step(record[settings.watched])
        elif scheduler is not None:
            scheduler.step()
        history.append(record)
        if settings.resume and epoch < settings.epochs:
            keep_training(settings.resume, parts, history)
    model.eval()
    return history


def keep_training(path: Path, parts: Mapping[str, Any], history: list[Record]) -> None:
    """Write the state of a training's parts, and its record so far, to a safetensors file in one move.

    `parts` are `model`, `optimizer` and whatever else has a `state_dict` of plain data and tensors; None for what the
    training lacks.
    """
    tensors: dict[str, Tensor] = {}
    state = {name: part.state_dict() for name, part in parts.items() if part is not None}
    packed = _packed({**state, "history": history}, tensors)
    write_tensors(path, tensors, {"training": packed})


def resume_training(path: Path, parts: Mapping[str, Any]) -> list[Record]:
    """Bring the parts to where the file left them; returns the record so far, [] without a file.

    UserError where the file is damaged or of another training.
    """
    if not path.exists():
        return []
    header, tensors = read_notes(path), read_state_dict(path)
    try:
        state = _unpacked(header["training"], tensors)
        for name, part in parts.items():
            if part is not None:
                part.load_state_dict(state[name])
        history = list(state["history"])
    except (KeyError, TypeError, ValueError, RuntimeError, AttributeError) as error:
        raise UserError(f"'{path}' is of another training: {(str(error).splitlines() or ['?'])[0]}") from error
    for parameter, values in parts["optimizer"].state.items():
        for name, value in values.items():  # laid out as the parameter is: fused steps walk both side by side
            if isinstance(value, Tensor) and value.shape == parameter.shape:
                values[name] = torch.empty_like(parameter).copy_(value)
    return history


@dataclass
class _Loop:
    model: nn.Module
    optimizer: torch.optim.Optimizer
    loss: nn.Module
    settings: FitSettings
    changes: Changes

    def epoch(self, number: int, images: Tensor, labels: Tensor) -> Record:
        began, settings = time.perf_counter(), self.settings
        generator = make_generator(settings.seed, "fit", number)
        order = torch.randperm(len(labels), generator=generator)
        total_loss, correct, seen, done = 0.0, 0, 0, 0
        for step, batch in enumerate(order.split(settings.batch_size), start=1):
            value, hits, trained = self._step(images[batch], labels[batch], batch, generator)
            if not np.isfinite(value):
                raise UserError(
                    f"training stopped: the loss is {value} in epoch {number}, step {step}; lower the learning rate, "
                    "or try --precision fp32"
                )
            total_loss, correct, seen = total_loss + value * trained, correct + hits, seen + trained
            done += len(batch)
            if settings.on_step:
                settings.on_step((number - 1) * len(labels) + done, settings.epochs * len(labels))
        seconds = round(time.perf_counter() - began, 2)
        return {"epoch": number, "loss": total_loss / seen, "accuracy": correct / seen, "seconds": seconds}

    def _step(
        self, pixels: Tensor, labels: Tensor, places: Tensor, generator: torch.Generator
    ) -> tuple[float, int, int]:
        """The loss, how many images are right, and how many were trained on."""
        device, changes, images = device_of(self.model), self.changes, to_unit_range(pixels)
        if changes.augment is not None:
            images = changes.augment(images, generator)
        if changes.stamp is not None:
            images = changes.stamp(images, places, generator)
        images = images.to(device, memory_format=torch.channels_last)
        labels = labels.to(device)
        self.model.train()
        with _autocast(images, self.settings.precision):
            if changes.adversary is not None:
                images, labels = changes.adversary(self.model, images, labels, generator)
            logits = self.model(images)
        loss = self.loss(logits.float(), labels)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        if self.settings.clip_norm is not None:
            nn.utils.clip_grad_norm_(self.model.parameters(), self.settings.clip_norm)
        self.optimizer.step()
        return loss.item(), int((logits.argmax(1) == labels).sum()), len(labels)


def _autocast(images: Tensor, precision: str) -> AbstractContextManager[Any]:
    """bf16 where it is asked for, but on a CPU not for images of up to 16 pixels.

    Their last stage in a ResNet is a strided convolution over one pixel, whose bf16 weight gradient reads memory that
    nobody wrote (oneDNN in torch 2.14): the same step gave other weights each time, and now and then NaN.
    """
    device = images.device
    tiny = device.type == "cpu" and min(images.shape[-2:]) <= 16
    half = resolve_precision(precision, device) == "bf16" and not tiny
    return torch.autocast(device.type, torch.bfloat16, enabled=half)


def _packed(value: Any, tensors: dict[str, Tensor]) -> Any:
    """`value` in JSON types; JSON has neither tensors nor keys that are numbers, so both are written as pairs."""
    if isinstance(value, Tensor):
        tensors[str(len(tensors))] = value
        return {"tensor": str(len(tensors) - 1)}
    if isinstance(value, dict):
        return {"mapping": [[key, _packed(item, tensors)] for key, item in value.items()]}
    if isinstance(value, (list, tuple)):
        return [_packed(item, tensors) for item in value]
    return value


def _unpacked(value: Any, tensors: dict[str, Tensor]) -> Any:
    if isinstance(value, list):
        return [_unpacked(item, tensors) for item in value]
    if isinstance(value, dict):
        return (
            tensors[value["tensor"]] if "tensor" in value else {k: _unpacked(v, tensors) for k, v in value["mapping"]}
        )
    return value
