"""Keep, for each image, the adversarial example that hurts most."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from mri_robust.attacks.gradient import fooled

Run = Callable[[Tensor, Tensor, Tensor], Tensor]
"""One run of an attack: (images, labels, start) -> adversarial images."""


class WorstCase:
    """The worst candidate seen so far for each of N images.

    A candidate that fools beats one that does not; among equals the greater loss wins (the smaller, when targeted).

    Attributes:
        images: [N, C, H, W], the worst candidates; the clean images before any update.
        fooled: bool [N].
    """

    def __init__(self, images: Tensor, labels: Tensor, targeted: bool) -> None:
        self.images = images.clone()
        self.fooled = torch.zeros(len(images), dtype=torch.bool, device=images.device)
        self._loss = torch.full((len(images),), -torch.inf, device=images.device)
        self._labels = labels
        self._targeted = targeted

    def update(self, indices: Tensor, candidates: Tensor, logits: Tensor) -> None:
        """Take in one candidate for each image in `indices`, with the model's logits for it."""
        labels = self._labels[indices]
        loss = functional.cross_entropy(logits, labels, reduction="none")
        loss = -loss if self._targeted else loss
        won = fooled(logits, labels, self._targeted)
        held, best = self.fooled[indices], self._loss[indices]
        better = (won & ~held) | ((won == held) & (loss > best))
        self.images[indices[better]] = candidates[better]
        self._loss[indices[better]] = loss[better]
        self.fooled[indices[better]] = won[better]


def worst_of_runs(
    run: Run, model: nn.Module, images: Tensor, labels: Tensor, *, starts: Tensor, targeted: bool
) -> Tensor:
    """The worst result for each image over one run from each start; `starts` is [R, N, C, H, W].

    An image that a run has fooled takes no part in the later ones: its verdict cannot change.
    """
    worst = WorstCase(images, labels, targeted)
    for start in starts:
        chosen = filled_up(~worst.fooled)
        if not len(chosen):
            break
        candidates = run(images[chosen], labels[chosen], start[chosen])
        with torch.no_grad():
            worst.update(chosen, candidates, model(candidates))
    return worst.images


def filled_up(standing: Tensor, multiple: int = 16) -> Tensor:
    """Indices where `standing` is true, filled up with others to a multiple of `multiple` where there are enough.

    A convolution is prepared anew for every batch size, which costs more than a few images too many.
    """
    wanted = -(-int(standing.sum()) // multiple) * multiple
    return torch.argsort((~standing).int(), stable=True)[:wanted].sort().values
