"""A model trained again as its recipe says, on what is left of its training set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from mri_robust.core.eval_mode import device_of
from mri_robust.core.rng import derive_seed
from mri_robust.evaluation.poisoned_training import PoisonedTraining
from mri_robust.models.classifier import Classifier, build_model
from mri_robust.training import Changes, FitSettings, fit


def retrained(model: Classifier, how: Mapping[str, Any], training: PoisonedTraining, precision: str) -> Classifier:
    """A new model like `model`, trained from random weights; on the whole of its training set it is that model again.

    Args:
        model: tells what to build, and where.
        how: `seed`, `epochs`, `batch_size`, `learning_rate`, `weight_decay` and `anneal` of the model's recipe.
        training: what to train on.
        precision: `fp32` or `bf16`.

    Raises:
        UserError: the loss is not finite.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(how["seed"], "first weights", model.architecture))
        new = build_model(**model.description()).to(device_of(model))  # type: ignore[arg-type]
    optimizer = torch.optim.Adam(
        new.parameters(), lr=how["learning_rate"], weight_decay=how["weight_decay"], fused=True
    )
    fit(
        new,
        training.images,
        training.labels,
        optimizer=optimizer,
        scheduler=torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, how["epochs"]) if how["anneal"] else None,
        settings=FitSettings(epochs=how["epochs"], batch_size=how["batch_size"], seed=how["seed"], precision=precision),
        changes=Changes(training.augment, training.stamp),
    )
    return new
