"""Stronger attacks of torchattacks on the images that PGD leaves standing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from mri_robust.adapters.torchattacks import as_torchattack
from mri_robust.attacks.evasion.attack import predict
from mri_robust.attacks.ladder import Falls
from mri_robust.core.validation import class_count

STRONG = {"APGD": {"steps": 50}, "APGDT": {"steps": 50}, "Square": {"n_queries": 1000}}
"""Croce and Hein (arXiv 2003.01690) and Andriushchenko et al. (arXiv 1912.00049), with their budgets."""
DLR_CLASSES = 4
"""Fewest classes for which the loss of targeted APGD is defined; with fewer, that attack is left out."""


def strong_attacks(
    model: nn.Module, images: Tensor, labels: Tensor, epsilons: tuple[float, ...], falls: Falls, batch: int
) -> Falls:
    """What `Ladder.climb` gives, lowered where one of `STRONG` fools an image at a smaller epsilon.

    Args:
        model: in eval mode, gives logits; left as it was.
        images: float32 [N, C, H, W] in [0, 1], on the model's device.
        labels: int64 [N].
        epsilons: rising.
        falls: where each image is known to be fooled.
        batch: images at once.
    """
    rungs, called = (part.clone() for part in falls)
    classes = class_count(model, images)
    attacks = {name: options for name, options in STRONG.items() if name != "APGDT" or classes >= DLR_CLASSES}
    counted = {"APGDT": {"n_classes": classes}}
    for rung, eps in enumerate(epsilons):
        for name, options in attacks.items():
            standing = torch.nonzero(rungs > rung).flatten()
            for some in standing.split(batch):
                parameters = {"eps": eps, **options, **counted.get(name, {})}
                adversarial = library_attack(name, parameters, model, images[some], labels[some])
                predicted = predict(model, adversarial)
                fooled = (predicted != labels[some]).cpu()
                rungs[some[fooled]], called[some[fooled]] = rung, predicted.cpu()[fooled]
    return Falls(rungs, called)


def library_attack(
    name: str, parameters: Mapping[str, Any], model: nn.Module, images: Tensor, labels: Tensor
) -> Tensor:
    """Adversarial images by an attack of torchattacks that draws from the global generator, which is put back."""
    with torch.random.fork_rng(devices=[]):  # these attacks seed it themselves
        return as_torchattack(name, model, **parameters)(images, labels)
