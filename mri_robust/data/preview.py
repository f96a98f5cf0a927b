"""A sample of a data set's images to look at, as many of each class."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mri_robust.core.rng import derive_seed
from mri_robust.data.dataset import Dataset, Split


@dataclass(frozen=True)
class Strip:
    """The sample of one class.

    Attributes:
        title: the class name.
        total: images of the class in the split.
        images: uint8 [n, C, H, W], n <= total.
    """

    title: str
    total: int
    images: np.ndarray


def sample(dataset: Dataset, split: Split, images: int, seed: int) -> list[Strip]:
    """Draw `images` of a split at random, the same number of each class as far as they go.

    Args:
        dataset: gives the class names.
        split: its training or test split.
        images: how many in all, >= 1; fewer come back where the split has fewer.
        seed: the same seed draws the same images.
    """
    generator = np.random.default_rng(derive_seed(seed, "preview"))
    members = [generator.permutation(np.flatnonzero(split.labels == label)) for label in range(len(dataset.classes))]
    shares = _shares([len(member) for member in members], images)
    return [
        Strip(name, len(member), split.images[np.sort(member[:share])])
        for name, member, share in zip(dataset.classes, members, shares, strict=True)
        if share
    ]


def _shares(available: list[int], wanted: int) -> list[int]:
    """`wanted` dealt round by round to those that still have some."""
    shares = [0] * len(available)
    wanted = min(wanted, sum(available))
    while wanted:
        for index, limit in enumerate(available):
            if wanted and shares[index] < limit:
                shares[index] += 1
                wanted -= 1
    return shares
