"""Broken copies of the native attacks: a cross-check that passes one of them is worth nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import torch
from torch import Tensor, nn

from mri_robust.attacks.evasion.fgsm import FGSM
from mri_robust.attacks.evasion.pgd import PGD
from mri_robust.evaluation.engines import Stamping

WAVY_SIDE = 16


class WrongSignFGSM(FGSM):
    """Steps down the loss instead of up."""

    def direction(self, model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
        """The right direction, turned round."""
        return -super().direction(model, images, labels)


class WrongSignPGD(PGD):
    """Steps down the loss instead of up."""

    def _advance(self, images: Tensor, iterate: Tensor, direction: Tensor) -> Tensor:
        return super()._advance(images, iterate, -direction)


class OneStepFewerPGD(PGD):
    """Stops a step early."""

    def _run(self, model: nn.Module, images: Tensor, labels: Tensor, start: Tensor) -> Tensor:
        return PGD._run(replace(self, steps=max(1, self.steps - 1)), model, images, labels, start)


class NoProjectionPGD(PGD):
    """Leaves the ball."""

    def _advance(self, images: Tensor, iterate: Tensor, direction: Tensor) -> Tensor:
        step = -self.alpha if self.targeted else self.alpha
        return (iterate + step * direction).clamp(*self.bounds)


class MovedStamping(Stamping):
    """Stamps one pixel further left."""

    def __call__(self, model: nn.Module, images: Tensor, labels: Tensor, *, start: Tensor | None = None) -> Tensor:
        """The images, moved right, stamped, and moved back."""
        return super().__call__(model, images.roll(1, -1), labels, start=start).roll(-1, -1)


class WavyModel(nn.Module):
    """Four logits that rise and fall many times within the ball, so that every step of an attack tells.

    A model of the user's may be so smooth that a step more or less changes nothing; whether the check bites is a
    property of the check.
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
    return broken(**{each.name: getattr(attack, each.name) for each in fields(attack)}) if broken else attack
