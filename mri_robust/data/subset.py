"""Which of a split's images a model is trained on, and which are shown."""

import numpy as np

from mri_robust.core.rng import derive_seed, make_generator
from mri_robust.data.dataset import Split


def training_places(count: int, wanted: int | None, seed: int) -> np.ndarray:
    """The sorted indices of `wanted` (None: all) out of `count` training images, int64, drawn with the seed."""
    if wanted is None or wanted >= count:
        return np.arange(count)
    import torch

    order = torch.randperm(count, generator=make_generator(seed, "training images")).numpy()
    return np.sort(order[:wanted])


def training_images(split: Split, wanted: int | None, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The images at `training_places`, uint8 [N, C, H, W], and their labels, int64 [N]; no copy where that is all."""
    whole = wanted is None or wanted >= len(split)
    places = slice(None) if whole else training_places(len(split), wanted, seed)
    return np.asarray(split.images[places]), split.labels[places]


def preview_places(split: Split, images: int, seed: int) -> list[np.ndarray]:
    """The sorted indices of at most `images` drawn at random, for each label from 0: as many of each as there are."""
    generator, classes = np.random.default_rng(derive_seed(seed, "preview")), int(split.labels.max()) + 1
    members = [generator.permutation(np.flatnonzero(split.labels == label)) for label in range(classes)]
    dealt = sorted((turn, label) for label, member in enumerate(members) for turn in range(len(member)))[:images]
    shares = np.bincount([label for _, label in dealt], minlength=classes)
    return [np.sort(member[:share]) for member, share in zip(members, shares, strict=True)]
