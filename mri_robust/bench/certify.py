"""The cross-check on a bench's own model, on the quick CNN_clean of a data set, or on a checkpoint."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from mri_robust.bench.environment import Machine
from mri_robust.bench.plan import Plan
from mri_robust.bench.runner import Bench
from mri_robust.core.files import cache_folder
from mri_robust.core.progress import OnStep
from mri_robust.data.dataset import Dataset, load_dataset
from mri_robust.evaluation.certificate import Certificate
from mri_robust.evaluation.crosscheck import crosscheck
from mri_robust.evaluation.measures.evasion import choose_images
from mri_robust.models.checkpoint import check_classes, load_model
from mri_robust.training import to_unit_range
from mri_robust.zoo import cnn_clean

BENCH_IMAGES = 32
"""Test images that a bench cross-checks; `mri-robust crosscheck` takes all."""


def certify_bench(bench: Bench) -> Certificate:
    """Cross-check the attacks on a bench's CNN_clean and some of its test images."""
    return _certify_clean(bench, BENCH_IMAGES)


def _certify_clean(bench: Bench, images: int | None) -> Certificate:
    protocol = bench.plan.protocols[0]
    models = bench.open_models(protocol)
    recipe = cnn_clean.recipe(bench.plan.settings(models.dataset, protocol)[0])
    return _certify(models.get(recipe), models.dataset, images, models.name(recipe), bench.on_step)


def certify_quick(source: dict[str, Any], images: int | None, machine: Machine, on_step: OnStep) -> Certificate:
    """Cross-check the attacks on the quick CNN_clean of a data set, which is trained once and kept in the cache.

    Args:
        source: `data`, `channels`, `skip_unreadable` as `Plan` has them.
        images: test images to compare; all when None.
        machine: where to train and attack.
        on_step: called as (what is going on, done, total).
    """
    return _certify_clean(Bench(Plan((), **source), cache_folder("crosscheck"), machine, on_step), images)


def certify_file(
    path: Path, source: dict[str, Any], images: int | None, machine: Machine, on_step: OnStep
) -> Certificate:
    """Cross-check the attacks on the model in a checkpoint, on data read at its image size and in its channels.

    Raises:
        UserError: the checkpoint or the data cannot be used, or their classes differ.
    """
    model = load_model(path)
    dataset = load_dataset(
        source["data"],
        size=model.image_size,
        channels=source["channels"] or model.channels,  # type: ignore[arg-type]
        skip_unreadable=source["skip_unreadable"],
    )
    check_classes(model, dataset.classes, str(path))
    return _certify(model.to(machine.device), dataset, images, path.name, on_step)


def _certify(model: nn.Module, dataset: Dataset, images: int | None, name: str, on_step: OnStep) -> Certificate:
    chosen = choose_images(len(dataset.test), images or len(dataset.test), seed=0)
    pixels = to_unit_range(torch.from_numpy(np.array(dataset.test.images[chosen])))
    labels = torch.from_numpy(dataset.test.labels[chosen])
    certificate = crosscheck(model, pixels, labels, on_step=on_step)
    return replace(certificate, about={"model": name, "data": dataset.name, "data_digest": dataset.digest})
