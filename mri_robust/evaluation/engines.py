"""The same attack by any of three libraries, from the same start; a trigger's stamp by two of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from mri_robust.attacks.poisoning.backdoor import Trigger
from mri_robust.attacks.worst_case import worst_of_runs
from mri_robust.core.eval_mode import eval_mode
from mri_robust.core.validation import check_choice

Engine = Callable[[Any, nn.Module, Tensor, Tensor, Tensor | None], Tensor]
"""(attack, model, images, labels, start) -> adversarial images; `start` is None or [N, C, H, W]."""

ENGINES = ("native", "art", "torchattacks")


@dataclass(frozen=True)
class Stamping:
    """A trigger in the place of an attack, so that engines run it alike: it stamps every image, whatever the model.

    Attributes:
        trigger: what is stamped; one without chance.
    """

    trigger: Trigger
    targeted: ClassVar[bool] = False

    def __call__(self, model: nn.Module, images: Tensor, labels: Tensor, *, start: Tensor | None = None) -> Tensor:
        """The images [N, C, H, W] in [0, 1], stamped; nothing else is used."""
        return self.trigger(images)

    def draw_start(self, images: Tensor, generator: torch.Generator) -> None:
        """Nothing: a stamp begins at the image."""


def load_engine(name: str) -> Engine:
    """The engine called `name`: `native`, `art` or `torchattacks`.

    Raises:
        ValueError: there is no such engine.
    """
    check_choice("engine", name, ENGINES)
    if name == "native":
        return run_native
    if name == "art":
        return run_art
    from mri_robust.adapters import torchattacks

    return torchattacks.craft


def run_native(attack: Any, model: nn.Module, images: Tensor, labels: Tensor, start: Tensor | None) -> Tensor:
    """The attack itself, called as anyone would."""
    return attack(model, images, labels, start=start)


def run_art(attack: Any, model: nn.Module, images: Tensor, labels: Tensor, start: Tensor | None) -> Tensor:
    """ART's version of the attack; a trigger is stamped by ART's backdoor attack."""
    from mri_robust.adapters import art

    if isinstance(attack, Stamping):
        return art.stamp(attack.trigger, images)
    return art.craft(attack, model, images, labels, start)


def attack_batch(
    engine: Engine, attack: Any, model: nn.Module, images: Tensor, labels: Tensor, *, starts: Tensor | None
) -> Tensor:
    """Adversarial images of one batch by one engine; the worst over the starts where there are several.

    Args:
        engine: from `load_engine`.
        attack: `FGSM` or `PGD`.
        starts: [R, N, C, H, W], or None for an attack without chance.
    """
    if starts is None:
        return engine(attack, model, images, labels, None)
    if len(starts) == 1:
        return engine(attack, model, images, labels, starts[0])
    single = replace(attack, restarts=1)

    def run(some: Tensor, their_labels: Tensor, start: Tensor) -> Tensor:
        return engine(single, model, some, their_labels, start)

    with eval_mode(model):
        return worst_of_runs(run, model, images, labels, starts=starts, targeted=attack.targeted)
