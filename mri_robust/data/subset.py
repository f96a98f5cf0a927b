"""Which of a split's images a model is trained on."""

from __future__ import annotations

import numpy as np

from mri_robust.core.rng import make_generator
from mri_robust.data.dataset import Split


def training_places(count: int, wanted: int | None, seed: int) -> np.ndarray:
    """The sorted places of `wanted` out of `count` training images, int64, drawn with the seed.

    All of them, and nothing is drawn, when `wanted` is None or not under `count`.
    """
    import torch

    if wanted is None or wanted >= count:
        return np.arange(count)
    order = torch.randperm(count, generator=make_generator(seed, "training images")).numpy()
    return np.sort(order[:wanted])


def training_images(split: Split, wanted: int | None, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The images at `training_places`, uint8 [N, C, H, W], and their labels, int64 [N]; no copy where that is all."""
    if wanted is None or wanted >= len(split):
        return np.asarray(split.images), split.labels
    places = training_places(len(split), wanted, seed)
    return np.asarray(split.images[places]), split.labels[places]
