"""Broken copies of our attacks, and whether the cross-check catches them: one that passes them is worth nothing."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from mri_robust.attacks.evasion.apgd import APGD
from mri_robust.attacks.evasion.attack import Loss, loss_gradient
from mri_robust.attacks.evasion.epsilon_sweep import Craft
from mri_robust.attacks.evasion.fgsm import FGSM
from mri_robust.attacks.evasion.pgd import PGD
from mri_robust.evaluation.comparison import TARGETED, Comparison, Native, Stamping, standard_checks

IMAGES = 16
"""Images of the small model on which broken copies must fail."""
WAVY_SIDE = 16


def catches(mutation: str, engines: Mapping[str, Craft]) -> bool:
    """Whether a mutation touches a check, and every one that it touches fails on `WavyModel`.

    The broken copy stands in place of the native attack, and is compared with ART, or where that has not this very
    attack, with torchattacks.
    """
    touches, broken = MUTANTS[mutation]
    model = WavyModel()
    asked = Comparison(model, *model.images(IMAGES), classes=4)
    # Of the L2 checks, one is not ART's, one has a single step to lose, and one is too loose for a small fault; and one
    # of APGD's is adv-lib's alone.
    loose = ("pgd-l2 project, clip", "apgd halved")
    checks = [each for each in standard_checks() if each.equal_success and each.name not in loose]
    others = {each: "art" if "art" in each.engines else "torchattacks" for each in checks if touches(each.attack)}
    found = [asked.compare(check, {"native": broken, name: engines[name]}) for check, name in others.items()]
    return bool(found) and not any(row["passed"] for [row] in found)


class WavyModel(nn.Module):
    """Four logits that rise and fall many times within the ball, so that every step of an attack tells.

    On a user's model, which may be smooth, a step more or less may change nothing.
    """

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.waves = nn.Buffer(torch.randn(64, WAVY_SIDE**2, generator=generator))
        self.mixture = nn.Buffer(torch.randn(4, 64, generator=generator))

    def forward(self, images: Tensor) -> Tensor:
        """Logits [N, 4] of images [N, 1, 16, 16]."""
        return torch.sin(4 * images.flatten(1) @ self.waves.T) @ self.mixture.T

    def images(self, count: int) -> tuple[Tensor, Tensor]:
        """Images well inside [0, 1], and labels."""
        pixels = torch.rand((count, 1, WAVY_SIDE, WAVY_SIDE), generator=torch.Generator().manual_seed(1))
        return 0.25 + pixels / 2, torch.arange(count) % 4


def wrong_sign(attack: Native, model: nn.Module, images: Tensor, labels: Tensor, start: Tensor | None) -> Tensor:
    """Steps down the loss instead of up."""

    def turned(images: Tensor, labels: Tensor, *loss: Loss, **_: Any) -> tuple[Tensor, Tensor]:
        slope, logits = loss_gradient(model, images, labels, *loss)
        return -slope, logits

    return attack.craft(model, images, labels, start, turned)


def changed(change: Callable[[Any], Native], attack: Any, *rest: Any) -> Tensor:
    """Runs another attack in the place of `attack`: `change`(attack)."""
    return change(attack).craft(*rest)


def moved_trigger(attack: Stamping, model: nn.Module, images: Tensor, labels: Tensor, start: Tensor | None) -> Tensor:
    """Stamps one pixel further left: the images are moved right, stamped, and moved back."""
    return attack.trigger(images.roll(1, -1)).roll(-1, -1)


@dataclass(frozen=True)
class _LikeliestLast(APGD):
    def target(self, ranked: Tensor, number: int) -> Tensor:
        return ranked[:, number]


def _any_of(*kinds: type) -> Callable[[Any], bool]:
    return lambda attack: isinstance(attack, kinds)


_FEWER = partial(changed, lambda attack: replace(attack, steps=max(1, attack.steps - 1)))
_LAST = partial(changed, lambda attack: _LikeliestLast(attack.eps, steps=attack.steps, **TARGETED))
# A cross-check that passes one of these is worth nothing.
MUTANTS: dict[str, tuple[Callable[[Any], bool], Craft]] = {
    "wrong sign": (_any_of(FGSM, PGD, APGD), wrong_sign),
    "one step fewer": (_any_of(PGD, APGD), _FEWER),
    "no projection": (_any_of(PGD), partial(changed, lambda attack: replace(attack, eps=1.0))),
    "no halving": (_any_of(APGD), partial(changed, lambda attack: replace(attack, rho=0.0))),
    "no momentum": (_any_of(APGD), partial(changed, lambda attack: replace(attack, momentum=0.0))),
    "likeliest target last": (lambda attack: isinstance(attack, APGD) and attack.targets > 0, _LAST),
    "moved trigger": (_any_of(Stamping), moved_trigger),
}
"""Mutation of the native attacks -> the attacks that it touches, and how it runs them."""
