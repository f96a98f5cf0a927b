"""A sample of a data set's images to look at, as many of each class."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mri_robust.core.rng import derive_seed
from mri_robust.data.dataset import Dataset, Split


@dataclass(frozen=True)
class Strip:
    """The sample of one class."""

    title: str  # the class name
    total: int  # images of the class in the split
    images: np.ndarray  # uint8 [n, C, H, W], n <= total


def sample(dataset: Dataset, split: Split, images: int, seed: int) -> list[Strip]:
    """Draw `images`, at least 1, of a split of `dataset` at random, the same number of each class as far as they go."""
    generator = np.random.default_rng(derive_seed(seed, "preview"))
    members = [generator.permutation(np.flatnonzero(split.labels == label)) for label in range(len(dataset.classes))]
    dealt = sorted((turn, label) for label, member in enumerate(members) for turn in range(len(member)))[:images]
    shares = np.bincount([label for _, label in dealt], minlength=len(members))
    return [
        Strip(name, len(member), split.images[np.sort(member[:share])])
        for name, member, share in zip(dataset.classes, members, shares, strict=True)
        if share
    ]
