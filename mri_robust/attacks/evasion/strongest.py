"""The worst case: a fixed order of attacks, each on the images that those before it leave standing."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from mri_robust.attacks.evasion.attack import Gradient, loss_gradient
from mri_robust.attacks.evasion.epsilon_sweep import Fooled, Part, fooled_clean, lower
from mri_robust.core.progress import OnImages, silent

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

    Args:
        model: in eval mode, takes pixels in [0, 1], gives logits; it decides who is fooled, in float32.
        part: the images.
        epsilons: rising, positive.
        stages: each makes an attack of one size; every iterate of an attack that steps counts.
        proposer: a faster copy of the model for gradients and suspicions; the model itself when None.
        precision: `bf16` to run each stage in half precision first, and in float32 on what stands: never above the
            float32 answer.
        seed, on_image: see `epsilon_sweep.attacked_predictions`.
    """
    told = on_image or silent
    gradients: list[Gradient | None] = [partial(loss_gradient, proposer) if proposer is not None else None]
    if precision == "bf16":
        gradients.insert(0, half_gradient(proposer or model))
    found = fooled_clean(model, part, len(epsilons))
    after = []
    for number, make in enumerate(stages):
        attacks = [make(eps) for eps in epsilons]
        for gradient in gradients:
            found = lower(found, model, part, attacks, gradient=gradient, seed=seed + number)
        after.append(found)
        told((number + 1) * len(part.labels) // len(stages), len(part.labels))
    return after


def half_gradient(model: nn.Module) -> Gradient:
    """The gradient of a bfloat16 copy of the model, as float32."""
    half = copy.deepcopy(model).to(torch.bfloat16)

    def gradient(images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        slope, logits = loss_gradient(half, images.to(torch.bfloat16), labels)
        return slope.float(), logits.float()

    return gradient
