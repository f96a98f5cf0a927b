"""What is in a data set, in numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from mri_robust.data.audit import duplicate_counts, leaked_test_images
from mri_robust.data.dataset import Dataset, Split
from mri_robust.data.reading import ImageDataset

_CHUNK = 128


@dataclass(frozen=True)
class Summary:
    """Numbers of a data set.

    Attributes:
        train, test: images of each class, in the order of `Dataset.classes`.
        mean, std: of the training pixels in [0, 1], one number a channel (see `pixel_statistics`).
        original_sizes: `width x height` of the files -> how many; empty for data that were not files.
        repeated: images of `train` and `test` that repeat another of the same split.
        leaked: test images that stand pixel for pixel in the training split.
    """

    train: tuple[int, ...]
    test: tuple[int, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    original_sizes: dict[str, int]
    repeated: dict[str, int]
    leaked: int


def summarise(dataset: Dataset) -> Summary:
    """Count, measure and audit `dataset`."""
    mean, std = pixel_statistics(dataset.train.images)
    return Summary(
        train=class_counts(dataset.train, len(dataset.classes)),
        test=class_counts(dataset.test, len(dataset.classes)),
        mean=mean,
        std=std,
        original_sizes=dataset.original_sizes if isinstance(dataset, ImageDataset) else {},
        repeated=duplicate_counts(dataset),
        leaked=int(leaked_test_images(dataset).sum()),
    )


def class_counts(split: Split, classes: int) -> tuple[int, ...]:
    """Number of images of each class 0..classes-1."""
    return tuple(int(count) for count in np.bincount(split.labels, minlength=classes))


def pixel_statistics(images: np.ndarray) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each channel over all pixels.

    Args:
        images: uint8 [N, C, H, W], N >= 1.

    Returns:
        C means and C standard deviations of the values / 255. Sums are whole numbers, so no order of summing and no
        chunk changes a digit.
    """
    count = images.size // images.shape[1]
    sums = np.zeros(images.shape[1], dtype=np.int64)
    squares = np.zeros(images.shape[1], dtype=np.int64)
    for start in range(0, len(images), _CHUNK):
        chunk = images[start : start + _CHUNK]
        sums += chunk.sum(axis=(0, 2, 3), dtype=np.int64)
        squares += np.square(chunk, dtype=np.uint16).sum(axis=(0, 2, 3), dtype=np.int64)
    mean = tuple(int(total) / count / 255 for total in sums)
    # In whole numbers of any length: the difference of two nearly equal floats would lose digits.
    variance = (int(square) * count - int(total) ** 2 for total, square in zip(sums, squares, strict=True))
    return mean, tuple(math.sqrt(value) / count / 255 for value in variance)
