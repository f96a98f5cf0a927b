"""Stronger attacks of torchattacks on the images that PGD leaves standing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from mri_robust.adapters.torchattacks import as_torchattack
from mri_robust.attacks.gradient import predict
from mri_robust.core.contract import class_count

STRONG = {"APGD": {"steps": 50}, "APGDT": {"steps": 50}, "Square": {"n_queries": 1000}}
"""Croce and Hein (arXiv 2003.01690) and Andriushchenko et al. (arXiv 1912.00049), with their budgets."""


def strong_attacks(
    model: nn.Module, images: Tensor, labels: Tensor, epsilons: tuple[float, ...], verdicts: Tensor, batch: int
) -> Tensor:
    """Verdicts as `Ladder.climb` gives them, lowered where one of `STRONG` fools an image at a smaller epsilon.

    Args:
        model: in eval mode, gives logits; left as it was.
        images: float32 [N, C, H, W] in [0, 1], on the model's device.
        labels: int64 [N].
        epsilons: rising.
        verdicts: int64 [N], the place of the smallest epsilon known to fool each image.
        batch: images at once.
    """
    lowered = verdicts.clone()
    counted = {"APGDT": {"n_classes": class_count(model, images)}}
    for rung, eps in enumerate(epsilons):
        for name, options in STRONG.items():
            standing = torch.nonzero(lowered > rung).flatten()
            for some in standing.split(batch):
                parameters = {"eps": eps, **options, **counted.get(name, {})}
                adversarial = library_attack(name, parameters, model, images[some], labels[some])
                fooled = (predict(model, adversarial) != labels[some]).cpu()
                lowered[some[fooled]] = rung
    return lowered


def library_attack(
    name: str, parameters: Mapping[str, Any], model: nn.Module, images: Tensor, labels: Tensor
) -> Tensor:
    """Adversarial images by an attack of torchattacks that draws from the global generator, which is put back."""
    with torch.random.fork_rng(devices=[]):  # these attacks seed it themselves
        return as_torchattack(name, model, **parameters)(images, labels)
