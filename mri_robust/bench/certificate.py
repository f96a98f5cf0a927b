"""The cross-check on the quick CNN_clean of a data set, or on each of the user's models."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import nn

from mri_robust.bench.trainer import Trainer
from mri_robust.core.progress import OnStep
from mri_robust.data.dataset import Dataset
from mri_robust.evaluation.crosscheck import Certificate, crosscheck
from mri_robust.evaluation.rows import choose_images
from mri_robust.study.config import Config
from mri_robust.study.recipe import Model
from mri_robust.study.zoo import cnn_clean
from mri_robust.training import to_unit_range

RUN_IMAGES = 32
"""Test images that a run cross-checks; `mri-robust crosscheck` takes all."""


def certify_run(trainer: Trainer, config: Config, images: int | None = RUN_IMAGES) -> Certificate:
    """Cross-check the attacks on each of the user's models, or on CNN_clean, and some of the test images."""
    models: tuple[Model, ...] = config.models or (cnn_clean(config),)
    found = [
        certify(trainer.get(model), trainer.dataset, images, name=trainer.name(model), on_step=trainer.on_step)
        for model in models
    ]
    if len(found) == 1:
        return found[0]
    pairs = zip(models, found, strict=True)
    rows = tuple({"model": model.model, **row} for model, certificate in pairs for row in certificate.rows)
    return replace(found[0], rows=rows, about={**found[0].about, "model": ", ".join(map(trainer.name, models))})


def certify(model: nn.Module, dataset: Dataset, images: int | None, *, name: str, on_step: OnStep) -> Certificate:
    """Cross-check the attacks on a model and some of the test images; all when `images` is None."""
    test = dataset.test
    chosen = choose_images(len(test), images or len(test), seed=0)
    pixels = to_unit_range(torch.from_numpy(np.array(test.images[chosen])))
    found = crosscheck(model, pixels, torch.from_numpy(test.labels[chosen]), on_step=on_step)
    return replace(found, about={"model": name, "data": dataset.name, "data_digest": dataset.digest})
