"""Which test images a rate is counted over."""

from __future__ import annotations

import numpy as np
import torch

from mri_robust.core.rng import make_generator
from mri_robust.data.audit import leaked_test_images
from mri_robust.data.dataset import Dataset


def subsets(dataset: Dataset, leak_free: bool, chosen: np.ndarray | None = None) -> dict[str, np.ndarray]:
    """Name -> mask, bool [N], over the test images at `chosen`, or over all; without subsets that hold no image.

    `all`, and with `leak_free` also those that have no twin in training.
    """
    places = np.arange(len(dataset.test)) if chosen is None else chosen
    masks = {"all": np.ones(len(places), dtype=bool)}
    if leak_free:
        masks["leak-free"] = ~leaked_test_images(dataset)[places]
    return {name: mask for name, mask in masks.items() if mask.any()}


def drawn(places: np.ndarray, count: int, seed: int, use: str) -> np.ndarray:
    """At most `count` of the places, int [N], sorted; drawn with the seed for the use that `use` names."""
    order = torch.randperm(len(places), generator=make_generator(seed, use)).numpy()
    return np.sort(places[order[:count]])
