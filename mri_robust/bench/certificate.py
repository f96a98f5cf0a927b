"""The cross-check on the quick CNN_clean of a data set, or on each of the user's models."""

from dataclasses import replace

import torch

from mri_robust.bench.trainer import Trainer
from mri_robust.evaluation.crosscheck import Certificate, crosscheck
from mri_robust.evaluation.rows import choose_images
from mri_robust.study.config import Config
from mri_robust.study.recipe import Model
from mri_robust.study.zoo import cnn_clean
from mri_robust.training import to_unit_range

RUN_IMAGES = 32  # test images that a run cross-checks; `mri-robust crosscheck` takes all


def certify_run(trainer: Trainer, config: Config, images: int | None = RUN_IMAGES) -> Certificate:
    """Cross-check the attacks on each of the user's models, or on CNN_clean, and so many test images; None for all."""
    models: tuple[Model, ...] = config.models or (cnn_clean(config),)
    dataset, test = trainer.dataset, trainer.dataset.test
    chosen = choose_images(len(test), images or len(test), seed=0)
    pixels, labels = to_unit_range(test.images[chosen]), torch.from_numpy(test.labels[chosen])
    found = [crosscheck(trainer.get(model), pixels, labels, on_step=trainer.on_step) for model in models]
    rows = found[0].rows
    if len(models) > 1:
        pairs = zip(models, found, strict=True)
        rows = tuple({"model": model.model, **row} for model, certificate in pairs for row in certificate.rows)
    about = {"model": ", ".join(map(trainer.name, models)), "data": dataset.name, "data_digest": dataset.digest}
    return replace(found[0], rows=rows, about=about)
