"""Broken copies of the native attacks: a cross-check that passes one of them is worth nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from mri_robust.attacks.evasion.attack import Gradient, loss_gradient
from mri_robust.attacks.evasion.fgsm import FGSM
from mri_robust.attacks.evasion.pgd import PGD
from mri_robust.attacks.poisoning.backdoor import Trigger

WAVY_SIDE = 16


@dataclass(frozen=True)
class Stamping:
    """A trigger in the place of an attack, so that engines run it alike: it stamps every image, whatever the model.

    Attributes:
        trigger: what is stamped; one without random draws.
    """

    trigger: Trigger
    targeted: ClassVar[bool] = False

    def craft(self, model: nn.Module, images: Tensor, labels: Tensor, start: Tensor | None) -> Tensor:
        """The images [N, C, H, W] in [0, 1], stamped; nothing else is used."""
        return self.trigger(images)

    def draw_start(self, images: Tensor, generator: torch.Generator) -> None:
        """Nothing: a stamp begins at the image."""


class WrongSignFGSM(FGSM):
    """Steps down the loss instead of up."""

    def craft(
        self, model: nn.Module, images: Tensor, labels: Tensor, start: Tensor | None, gradient: Gradient | None = None
    ) -> Tensor:
        """See `Attack.craft`."""
        return super().craft(model, images, labels, start, partial(_turned_gradient, model))


class WrongSignPGD(PGD):
    """Steps down the loss instead of up."""

    def craft(
        self, model: nn.Module, images: Tensor, labels: Tensor, start: Tensor | None, gradient: Gradient | None = None
    ) -> Tensor:
        """See `Attack.craft`."""
        return super().craft(model, images, labels, start, partial(_turned_gradient, model))


class OneStepFewerPGD(PGD):
    """Stops a step early."""

    def craft(
        self, model: nn.Module, images: Tensor, labels: Tensor, start: Tensor | None, gradient: Gradient | None = None
    ) -> Tensor:
        """See `Attack.craft`."""
        return PGD.craft(replace(self, steps=max(1, self.steps - 1)), model, images, labels, start, gradient)


class NoProjectionPGD(PGD):
    """Leaves the ball."""

    def projected(self, images: Tensor, iterate: Tensor, eps: float | Tensor) -> Tensor:
        """Into the pixel range alone."""
        return iterate.clamp(*self.bounds)


class MovedStamping(Stamping):
    """Stamps one pixel further left."""

    def craft(self, model: nn.Module, images: Tensor, labels: Tensor, start: Tensor | None) -> Tensor:
        """The images, moved right, stamped, and moved back."""
        return super().craft(model, images.roll(1, -1), labels, start).roll(-1, -1)


class WavyModel(nn.Module):
    """Four logits that rise and fall many times within the ball, so that every step of an attack tells.

    A user's model may be so smooth that a step more or less changes nothing; whether the check bites is a property of
    the check.
    """

    waves: Tensor
    mixture: Tensor

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.register_buffer("waves", torch.randn(64, WAVY_SIDE**2, generator=generator))
        self.register_buffer("mixture", torch.randn(4, 64, generator=generator))
        self.classes = ("a", "b", "c", "d")

    def forward(self, images: Tensor) -> Tensor:
        """Logits [N, 4] of images [N, 1, 16, 16]."""
        return torch.sin(4 * images.flatten(1) @ self.waves.T) @ self.mixture.T

    def images(self, count: int) -> tuple[Tensor, Tensor]:
        """Images well inside [0, 1], and labels."""
        generator = torch.Generator().manual_seed(1)
        shape = (count, 1, WAVY_SIDE, WAVY_SIDE)
        return 0.25 + torch.rand(shape, generator=generator) / 2, torch.arange(count) % 4


MUTANTS: dict[str, dict[str, Callable[..., Any]]] = {
    "wrong sign": {"FGSM": WrongSignFGSM, "PGD": WrongSignPGD},
    "one step fewer": {"PGD": OneStepFewerPGD},
    "no projection": {"PGD": NoProjectionPGD},
    "moved trigger": {"Stamping": MovedStamping},
}
"""Mutation -> native attack -> its broken copy."""


def mutate(attack: Any, mutation: str) -> Any:
    """The broken copy of an attack with the same parameters; the attack itself where the mutation has none."""
    broken = MUTANTS[mutation].get(type(attack).__name__)
    named = (each.name for each in fields(attack) if each.init)
    return broken(**{name: getattr(attack, name) for name in named}) if broken else attack


def _turned_gradient(model: nn.Module, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    slope, logits = loss_gradient(model, images, labels)
    return -slope, logits
