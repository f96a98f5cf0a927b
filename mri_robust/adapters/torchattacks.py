"""torchattacks: its attacks on our models, and our attacks' parameters as its attacks."""

from __future__ import annotations

import inspect
from typing import Any

import torch
import torchattacks
from torch import Tensor, nn
from torchattacks.attack import Attack

from mri_robust.adapters.limits import check_single_run
from mri_robust.adapters.torchattacks_style import Borrowing, NativeAttack
from mri_robust.core.eval_mode import device_of

_WIDE = (-1.0, 2.0)
"""Pixel range in which no step of an attack that clips only at its end can leave."""


def as_torchattack(attack: str | type, model: nn.Module, **parameters: Any) -> Attack:
    """An attack with torchattacks' calling convention, `adversarial = attack(images, labels)`: one of its own, or ours.

    torchattacks itself leaves the whole model in train mode, which thaws frozen BatchNorm, and assumes 10 classes. Here
    the model is put back after every call, and the class count filled in.

    Args:
        attack: the name of a class of torchattacks (`"PGD"`, `"APGD"`, `"Square"`, `"AutoAttack"`, ...), or a class of
            ours (`FGSM`, `PGD`), which becomes a `NativeAttack`.
        model: takes float32 images [N, C, H, W] in [0, 1], gives logits.
        parameters: what the attack's constructor takes; for ours also `seed`, of the random starts.

    Raises:
        TypeError, ValueError: torchattacks has no such attack, or the attack refuses a parameter.
    """
    if isinstance(attack, type):
        return NativeAttack(attack, model, **parameters)
    attack_class = getattr(torchattacks, attack, None)
    if not (inspect.isclass(attack_class) and issubclass(attack_class, Attack)):
        raise ValueError(f"torchattacks has no attack '{attack}'")
    return _build(attack_class, model, parameters)


def craft(attack: Any, model: nn.Module, images: Tensor, labels: Tensor, start: Tensor | None) -> Tensor:
    """Adversarial images by torchattacks' version of a native attack, on one batch.

    Args:
        attack: an `FGSM`, or a `PGD` of one run that keeps its last iterate.
        model: takes pixels in [0, 1], gives logits; left as it was.
        images: float32 [N, C, H, W] in [0, 1].
        labels: int64 [N]; targets when the attack is targeted.
        start: where PGD begins, [N, C, H, W].

    Raises:
        ValueError: torchattacks has no such attack or option.
    """
    name = type(attack).__name__
    if name == "FGSM" and attack.norm == "linf":
        library = _build(torchattacks.FGSM, model, {"eps": attack.eps})
        return _run(library, attack, images, labels).clamp(*attack.bounds)
    if name != "PGD":
        raise ValueError(f"engine 'torchattacks' has no {name} in norm {attack.norm}")
    start = check_single_run("torchattacks", attack, start)
    if attack.clip != "end":
        return _run(_pgd(attack, model, start, width=1.0), attack, images, labels).clamp(*attack.bounds)
    # torchattacks clips every step to [0, 1]: in stretched pixels that range holds every iterate.
    low, width = _WIDE[0], _WIDE[1] - _WIDE[0]
    library = _pgd(attack, _Stretched(model, low, width), (start - low) / width, width)
    stretched = _run(library, attack, (images - low) / width, labels)
    return (stretched * width + low).clamp(*attack.bounds)


class InjectedStart:
    """Mixed into a torchattacks attack: its first gradient is taken at a given point instead of the image."""

    start: Tensor | None = None

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        """Attack a batch, beginning at `start`."""
        self._pending = self.start
        return super().forward(images, labels)  # type: ignore[misc]

    def get_logits(self, inputs: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """Logits of `inputs`, which the first call overwrites with the start."""
        if self._pending is not None:
            with torch.no_grad():
                inputs.copy_(self._pending)
            self._pending = None
        return super().get_logits(inputs, *args, **kwargs)  # type: ignore[misc]


class _Stretched(nn.Module):
    """A model on pixels mapped to u = (x - low) / width."""

    def __init__(self, model: nn.Module, low: float, width: float) -> None:
        super().__init__()
        self.model, self.low, self.width = model, low, width

    def forward(self, stretched: Tensor) -> Tensor:
        return self.model(stretched * self.width + self.low)


class _PlainGradient(nn.Module):
    """A model whose input gradient is contiguous, which PGDL2 and others take for granted; no value changes.

    A model in channels_last gives colour images a gradient in that order, and `grad.view(...)` fails on it.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Tensor:
        return self.model(_Contiguous.apply(images))


class _Contiguous(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, images: Tensor) -> Tensor:
        return images.view_as(images)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        return gradients[0].contiguous()


def _build(attack_class: type, model: nn.Module, parameters: dict[str, Any]) -> Any:
    accepted = inspect.signature(attack_class.__init__).parameters  # type: ignore[misc]
    unknown = sorted(set(parameters) - set(accepted))
    if unknown:
        raise ValueError(f"torchattacks.{attack_class.__name__} takes no {', '.join(unknown)}")
    if "n_classes" in accepted and hasattr(model, "classes"):
        parameters = {"n_classes": len(model.classes), **parameters}  # type: ignore[arg-type]
    borrowing: Any = type(attack_class.__name__, (Borrowing, attack_class), {})
    attack = borrowing(_PlainGradient(model), **parameters)
    attack.set_device(device_of(model))
    return attack


def _pgd(attack: Any, model: nn.Module, start: Tensor, width: float) -> Any:
    base = torchattacks.PGD if attack.norm == "linf" else torchattacks.PGDL2
    begun = type(base.__name__, (InjectedStart, base), {"__init__": base.__init__})
    sizes = {"eps": attack.eps / width, "alpha": attack.alpha / width, "steps": attack.steps, "random_start": False}
    if base is torchattacks.PGDL2:
        sizes["eps_for_division"] = 1e-30  # its default of 1e-10 shortens the step where the gradient vanishes
    library = _build(begun, model, sizes)
    library.start = start
    return library


def _run(library: Any, attack: Any, images: Tensor, labels: Tensor) -> Tensor:
    if attack.targeted:
        library.set_mode_targeted_by_label(quiet=True)
    return library(images.contiguous(), labels)  # PGDL2 views its input as rows
