"""Adversarial training (Madry et al. 2018, arXiv 1706.06083; section 5.2)."""

from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from mri_robust.attacks.evasion import ATTACKS
from mri_robust.core.eval_mode import eval_mode
from mri_robust.core.validation import check_count, check_number

Batch = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class AdversarialTraining:
    """Append adversarial examples of a batch to it; their size is drawn anew for each step.

    `attack` is the name of a registered evasion attack, else UserError; one of its `epsilons` is drawn uniformly for
    each step. `options` are (name, value) of its further arguments; `alpha_share` is its `alpha` as a share of the
    drawn epsilon, None for what `options` or the attack say. In `train_mode` crafting moves BatchNorm's statistics, as
    in the study.
    """

    attack: str
    epsilons: tuple[float, ...]
    options: tuple[tuple[str, Any], ...] = ()
    alpha_share: float | None = None
    train_mode: bool = False

    def __post_init__(self) -> None:
        check_count("number of epsilons", len(self.epsilons))
        for eps in self.epsilons:
            check_number("epsilon", eps, 0.0, open_low=True)
            self.attack_at(eps)

    def attack_at(self, eps: float) -> Any:
        """The attack of one size."""
        relative = {} if self.alpha_share is None else {"alpha": eps * self.alpha_share}
        return ATTACKS.load(self.attack)(eps, **dict(self.options), **relative)

    def __call__(self, model: nn.Module, images: Tensor, labels: Tensor, generator: torch.Generator) -> Batch:
        """Images [2N, C, H, W], clean then adversarial, and labels [2N]."""
        pick = int(torch.randint(len(self.epsilons), (), generator=generator))
        attack = self.attack_at(self.epsilons[pick])
        start = attack.draw_start(images, generator)
        with nullcontext() if self.train_mode else eval_mode(model):
            adversarial = attack.craft(model, images, labels, start)
        return torch.cat([images, adversarial.detach()]), torch.cat([labels, labels])
