"""Adversarial training (Madry et al. 2018, arXiv 1706.06083; section 5.2)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mri_robust.attacks.evasion.fgsm import FGSM
from mri_robust.attacks.evasion.pgd import PGD, Clip
from mri_robust.core.eval_mode import eval_mode
from mri_robust.core.validation import check_choice, check_count, check_number


@dataclass(frozen=True)
class AdversarialTraining:
    """Append adversarial examples of a batch to it; their size is drawn anew for each step.

    Attributes:
        attack: `fgsm` or `pgd`, both in L-inf.
        epsilons: sizes in pixels; one is drawn uniformly for each step.
        steps: PGD steps.
        alpha: PGD step size in pixels; None for `alpha_share` of the drawn epsilon.
        alpha_share: PGD step size as a share of epsilon.
        clip, bounds: see `PGD`; the study's notebooks clip at the end, to other bounds than [0, 1].
        train_mode: craft with BatchNorm in train mode, so that crafting moves its statistics, as the study did.

    Raises:
        TypeError, ValueError: a value of the wrong type or out of range.
    """

    attack: str
    epsilons: tuple[float, ...]
    steps: int = 7
    alpha: float | None = None
    alpha_share: float = 0.25
    clip: Clip = "after"
    bounds: tuple[float, float] = (0.0, 1.0)
    train_mode: bool = False

    def __post_init__(self) -> None:
        check_choice("attack", self.attack, ("fgsm", "pgd"))
        check_count("number of epsilons", len(self.epsilons))
        for eps in self.epsilons:
            check_number("epsilon", eps, 0.0, 1.0, open_low=True)
        self.attack_at(self.epsilons[0])

    def attack_at(self, eps: float) -> FGSM | PGD:
        """The attack of one size."""
        bounds = (self.bounds[0], self.bounds[1])
        if self.attack == "fgsm":
            return FGSM(eps, bounds=bounds)
        alpha = eps * self.alpha_share if self.alpha is None else self.alpha
        return PGD(eps, alpha=alpha, steps=self.steps, clip=self.clip, bounds=bounds)

    def __call__(
        self, model: nn.Module, images: Tensor, labels: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Images [2N, C, H, W], clean then adversarial, and labels [2N]."""
        pick = int(torch.randint(len(self.epsilons), (), generator=generator))
        attack = self.attack_at(self.epsilons[pick])
        starts = attack.draw_start(images, generator)
        if self.train_mode:
            adversarial = attack.craft(model, images, labels, starts)
        else:
            with eval_mode(model):
                adversarial = attack.craft(model, images, labels, starts)
        return torch.cat([images, adversarial.detach()]), torch.cat([labels, labels])
