"""What the benchmarks attack: a trained model and test images."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from engines import Work

from mri_robust.bench.environment import Machine
from mri_robust.bench.model_store import ModelStore
from mri_robust.bench.plan import Plan
from mri_robust.core.files import cache_folder
from mri_robust.data.dataset import Dataset, load_dataset
from mri_robust.models.checkpoint import load_model
from mri_robust.study.scale import QUICK
from mri_robust.study.setting import DataFacts, Setting
from mri_robust.training import to_unit_range
from mri_robust.zoo import cnn_clean, resnet_clean

TRAINED = {"cnn": cnn_clean, "resnet18": resnet_clean}


def load_work(
    data: str, model: str, checkpoint: Path | None, image_size: int, images: int, device: torch.device
) -> tuple[Work, Dataset]:
    """The model of a checkpoint, or a short training of `model` that is kept in the cache, and `images` test images."""
    if checkpoint is not None:
        trained = load_model(checkpoint)
        dataset = load_dataset(data, size=trained.image_size, channels=trained.channels)  # type: ignore[arg-type]
    else:
        dataset = load_dataset(data, size=image_size, channels="grey")
        trained = _trained(dataset, model, image_size)
    generator = np.random.default_rng(0)
    count = min(images, len(dataset.test))
    chosen = np.sort(generator.choice(len(dataset.test), count, replace=False))
    pixels = to_unit_range(torch.from_numpy(np.array(dataset.test.images[chosen])))
    labels = torch.from_numpy(dataset.test.labels[chosen])
    plain = trained.to(memory_format=torch.contiguous_format).to(device).eval()  # type: ignore[call-overload]
    return Work(plain, pixels.to(device), labels.to(device)), dataset


def _trained(dataset: Dataset, model: str, image_size: int) -> torch.nn.Module:
    scale = replace(QUICK, image_size=image_size, rate=2.0, train_images=1500, epochs={10: 3}, resnet_epochs={5: 2})
    facts = DataFacts(
        dataset.name, dataset.digest, dataset.channels, dataset.classes, len(dataset.train), len(dataset.test)
    )
    setting = Setting("sound", scale, facts, seed=42, weights=Plan((), weights="none").first_weights)
    store = ModelStore(cache_folder("benchmarks"), dataset, Machine.choose("auto", "auto"))
    return store.get(TRAINED[model].recipe(setting))
