"""The same attack by any of three libraries, from the same start."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from torch import Tensor, nn

from mri_robust.attacks.worst_case import worst_of_runs
from mri_robust.core.borrowing import eval_mode
from mri_robust.core.contract import check_choice

Engine = Callable[[Any, nn.Module, Tensor, Tensor, Tensor | None], Tensor]
"""(attack, model, images, labels, start) -> adversarial images; `start` is None or [N, C, H, W]."""

ENGINES = ("native", "art", "torchattacks")


def load_engine(name: str) -> Engine:
    """The engine called `name`: `native`, `art` or `torchattacks`.

    Raises:
        ValueError: there is no such engine.
    """
    check_choice("engine", name, ENGINES)
    if name == "native":
        return run_native
    if name == "art":
        from mri_robust.adapters import art

        return art.craft
    from mri_robust.adapters import torchattacks

    return torchattacks.craft


def run_native(attack: Any, model: nn.Module, images: Tensor, labels: Tensor, start: Tensor | None) -> Tensor:
    """The attack itself, called as anyone would."""
    return attack(model, images, labels, start=start)


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
