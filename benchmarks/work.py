"""What the benchmarks attack: a trained model and test images."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from mri_robust.bench.trainer import Trainer
from mri_robust.core.eval_mode import eval_mode
from mri_robust.core.files import cache_folder
from mri_robust.core.machine import resolve_precision
from mri_robust.core.validation import to_unit_range
from mri_robust.data.dataset import Dataset, load_dataset
from mri_robust.models.checkpoint import load_model
from mri_robust.study.config import Config
from mri_robust.study.results_folder import ResultsFolder
from mri_robust.study.scale import QUICK
from mri_robust.study.zoo import cnn_clean, resnet_clean

BATCH = 32
"""Images that the libraries are given at once."""
TRAINED = {"cnn": cnn_clean, "resnet18": resnet_clean}


@dataclass(frozen=True)
class Work:
    """A trained model with the images it is attacked on, float32 [N, C, H, W] in [0, 1], and labels int64 [N]."""

    model: nn.Module
    images: Tensor
    labels: Tensor

    def accuracy(self, images: Tensor) -> float:
        """Accuracy on `images` of the model itself."""
        with eval_mode(self.model), torch.no_grad():
            predicted = torch.cat([self.model(batch).argmax(1) for batch in images.split(BATCH)])
        return float((predicted == self.labels).float().mean())


def load_work(
    data: str, model: str, checkpoint: Path | None, image_size: int, images: int, device: torch.device
) -> tuple[Work, Dataset]:
    """The model of a checkpoint, or a short training of `model` that is kept in the cache, and `images` test images."""
    if checkpoint is not None:
        trained = load_model(checkpoint)
        dataset = load_dataset(data, size=trained.image_size, channels=trained.channels)
    else:
        dataset = load_dataset(data, size=image_size, channels="grey")
        trained = _trained(dataset, model, image_size)
    count = min(images, len(dataset.test))
    chosen = np.sort(np.random.default_rng(0).choice(len(dataset.test), count, replace=False))
    pixels = to_unit_range(dataset.test.images[chosen])
    labels = torch.from_numpy(dataset.test.labels[chosen])
    plain = trained.to(memory_format=torch.contiguous_format).to(device).eval()
    return Work(plain, pixels.to(device), labels.to(device)), dataset


def _trained(dataset: Dataset, model: str, image_size: int) -> nn.Module:
    scale = replace(QUICK, image_size=image_size, rate=2.0, train_images=1500, epochs={10: 3}, resnet_epochs={5: 2})
    precision = resolve_precision("auto", torch.device("cpu"))
    config = Config(scale=scale, precision=precision, threads=torch.get_num_threads()).on(dataset)
    folder = ResultsFolder(cache_folder("benchmarks"))
    module: nn.Module = Trainer(folder, dataset, config).get(TRAINED[model](config))
    return module
