"""The worst case: a fixed order of attacks, each on the survivors of those before it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from mri_robust.attacks.evasion.attack import inside, loss_gradient, predict
from mri_robust.attacks.evasion.effort import Effort
from mri_robust.attacks.evasion.epsilon_sweep import fooled_clean, lower
from mri_robust.attacks.evasion.fmn import FMN
from mri_robust.attacks.evasion.norms import distance
from mri_robust.attacks.evasion.search import BATCH, Fooled, Part
from mri_robust.core.progress import OnImages
from mri_robust.models.folded import TOLERANCE

Make = Callable[[float], Any]
"""epsilon -> the attack of that size."""


@dataclass(frozen=True)
class Known:
    """What is known after an attack: where images are fooled by then, and the passes of the model until then."""

    fooled: Fooled
    forwards: int
    gradients: int


def worst_case(
    model: nn.Module,
    part: Part,
    epsilons: Sequence[float],
    stages: Sequence[Make | FMN],
    *,
    copies: Sequence[nn.Module] = (),
    seed: int = 0,
    effort: Effort | None = None,
    on_image: OnImages | None = None,
) -> tuple[list[Known], Tensor]:
    """What is known after each stage, cumulative, and the least epsilon known to fool each image, float64 [N].

    `epsilons` are positive and rise; each of the `stages` makes an attack of one size, or looks for the least epsilon
    of every image. An image that nothing fools has infinity, one that is misclassified clean 0. For the other arguments
    see `epsilon_sweep.lower`.
    """
    effort = effort or Effort()
    sizes = torch.tensor([0.0, *epsilons, torch.inf], dtype=torch.float64)
    found, after = fooled_clean(model, part, len(epsilons)), []
    least = sizes[found.index + 1]
    for number, stage in enumerate(stages):
        if isinstance(stage, FMN):
            nearest, called = _nearest(model, part, stage, copies)
            place = torch.searchsorted(sizes[1:-1], nearest)
            nearer, least = place < found.index, torch.minimum(least, nearest)
            found = Fooled(torch.where(nearer, place, found.index), torch.where(nearer, called, found.predicted))
        else:
            attacks = [stage(eps) for eps in epsilons]
            found = lower(found, model, part, attacks, copies=copies, seed=seed + number, effort=effort)
        least = torch.minimum(least, sizes[found.index + 1])
        after.append(Known(found, effort.forwards, effort.gradients))
        if on_image:
            on_image((number + 1) * len(part.labels) // len(stages), len(part.labels))
    return after, least


def _nearest(model: nn.Module, part: Part, attack: FMN, copies: Sequence[nn.Module]) -> tuple[Tensor, Tensor]:
    """How far the nearest fooling image found is from each, float64 [N], and what the model calls it, int64 [N]."""
    gradient, slack = partial(loss_gradient, copies[-1] if copies else model), TOLERANCE if copies else 0.0
    far, called = [], []
    for rows in torch.arange(len(part.labels)).split(BATCH):
        images, labels, _, region = part.at(rows)
        crafted = attack.craft(inside(gradient, region), images, labels, slack)
        predicted = predict(model, crafted)
        length = distance(crafted.double() - images.double(), attack.norm)
        far.append(length.masked_fill(predicted == labels, torch.inf).cpu())
        called.append(predicted.cpu())
    return torch.cat(far), torch.cat(called)
