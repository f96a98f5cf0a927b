"""The worst case: a fixed order of attacks, each on the survivors of those before it."""

import copy
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from mri_robust.attacks.evasion.attack import Attack, Gradient, Loss, loss_gradient
from mri_robust.attacks.evasion.epsilon_sweep import Fooled, Part, fooled_clean, lower
from mri_robust.core.progress import OnImages

Make = Callable[[float], Any]
"""epsilon -> the attack of that size."""


def worst_case(
    model: nn.Module,
    part: Part,
    epsilons: Sequence[float],
    stages: Sequence[Make],
    *,
    proposer: nn.Module | None = None,
    precision: str = "fp32",
    seed: int = 0,
    on_image: OnImages | None = None,
) -> list[Fooled]:
    """Where images are fooled after each stage, cumulative; see `epsilon_sweep.lower`.

    `epsilons` are positive and rise; each of the `stages` makes an attack of one size. `precision="bf16"` runs each
    stage in half precision first, and in float32 on its survivors: accuracy is never above the float32 answer. For the
    other arguments see `epsilon_sweep.attacked_predictions`.
    """
    gradients: list[Gradient | None] = [None]
    if precision == "bf16":
        gradients.insert(0, half_gradient(proposer or model))
    found = fooled_clean(model, part, len(epsilons))
    after = []
    for number, make in enumerate(stages):
        attacks = [make(eps) for eps in epsilons]
        # Another package's attack follows its own gradient: a second pass would be the first again.
        for gradient in gradients if isinstance(attacks[0], Attack) else gradients[-1:]:
            found = lower(found, model, part, attacks, proposer=proposer, gradient=gradient, seed=seed + number)
        after.append(found)
        if on_image:
            on_image((number + 1) * len(part.labels) // len(stages), len(part.labels))
    return after


def half_gradient(model: nn.Module) -> Gradient:
    """The gradient of a bfloat16 copy of the model, as float32."""
    half = copy.deepcopy(model).to(torch.bfloat16)

    def gradient(images: Tensor, labels: Tensor, *loss: Loss) -> tuple[Tensor, Tensor]:
        slope, logits = loss_gradient(half, images.to(torch.bfloat16), labels, *loss)
        return slope.float(), logits.float()

    return gradient
