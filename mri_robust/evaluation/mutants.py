"""Broken copies of the native attacks: a cross-check that passes one of them is worth nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from mri_robust.attacks.evasion.attack import loss_gradient
from mri_robust.attacks.evasion.epsilon_sweep import Craft
from mri_robust.attacks.evasion.fgsm import FGSM
from mri_robust.attacks.evasion.pgd import PGD
from mri_robust.attacks.poisoning.backdoor import Trigger

Native = FGSM | PGD
WAVY_SIDE = 16


@dataclass(frozen=True)
class Stamping:
    """A trigger without random draws in place of an attack: it stamps every image, whatever the model."""

    trigger: Trigger
    targeted: ClassVar[bool] = False

    def craft(self, model: nn.Module, images: Tensor, labels: Tensor, start: Tensor | None) -> Tensor:
        """The images [N, C, H, W] in [0, 1], stamped; nothing else is used."""
        return self.trigger(images)

    def draw_start(self, images: Tensor, generator: torch.Generator) -> None:
        """Nothing: a stamp begins at the image."""


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


def wrong_sign(attack: Native, model: nn.Module, images: Tensor, labels: Tensor, start: Tensor | None) -> Tensor:
    """Steps down the loss instead of up."""

    def turned(images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        slope, logits = loss_gradient(model, images, labels)
        return -slope, logits

    return attack.craft(model, images, labels, start, turned)


def changed(change: Callable[[Any], Native], attack: Any, *rest: Any) -> Tensor:
    """Runs another attack in the place of `attack`: `change`(attack)."""
    return change(attack).craft(*rest)


def moved_trigger(attack: Stamping, model: nn.Module, images: Tensor, labels: Tensor, start: Tensor | None) -> Tensor:
    """Stamps one pixel further left: the images are moved right, stamped, and moved back."""
    return attack.trigger(images.roll(1, -1)).roll(-1, -1)


MUTANTS: dict[str, tuple[tuple[type, ...], Craft]] = {
    "wrong sign": ((FGSM, PGD), wrong_sign),
    "one step fewer": ((PGD,), partial(changed, lambda attack: replace(attack, steps=max(1, attack.steps - 1)))),
    "no projection": ((PGD,), partial(changed, lambda attack: replace(attack, eps=1.0))),
    "moved trigger": ((Stamping,), moved_trigger),
}
"""Mutation -> the attacks that it touches, and how it runs them."""
