"""What is in a data set, in numbers, and which images stand in it twice; `full.audit` is the whole audit.

This needs neither pandas nor scikit-learn. A test image whose pixels are in the training split measures memory, not
generalisation: accuracy and every attack's success on it are misleading, so reports say how many there are.
"""

import hashlib
import math
from collections import Counter
from collections.abc import Hashable
from dataclasses import dataclass

import numpy as np

from mri_robust.data.dataset import Dataset

_leaked: dict[tuple[Hashable, ...], np.ndarray] = {}


def leaked_test_images(dataset: Dataset) -> np.ndarray:
    """Which test images stand pixel for pixel in the training split, whatever their label: read-only bool [N_test].

    Pixels are compared as loaded, after the resize and in the loaded channels, for these are what a model sees. The
    answer is remembered for as long as the process lives, since a bench asks for it many times.
    """
    # The digest names the whole data set; the names tell it from a part that was cut out of it.
    key = (dataset.digest, dataset.train.images.shape, dataset.train.names, dataset.test.names)
    if key not in _leaked:
        seen = {fingerprint(image) for image in dataset.train.images}
        _leaked[key] = np.array([fingerprint(image) in seen for image in dataset.test.images], dtype=bool)
        _leaked[key].flags.writeable = False
    return _leaked[key]


def fingerprint(image: np.ndarray) -> bytes:
    """A digest of the pixels of an image; equal for equal images of one shape, and different for different ones."""
    return hashlib.sha256(np.ascontiguousarray(image).data).digest()


@dataclass(frozen=True)
class Summary:
    """Numbers of a data set."""

    train: tuple[int, ...]  # images of each class, in the order of `Dataset.classes`
    test: tuple[int, ...]
    mean: tuple[float, ...]  # of the training pixels in [0, 1], one number per channel
    std: tuple[float, ...]
    original_sizes: dict[str, int]  # `width x height` of image files -> how many, the most frequent first
    repeated: dict[str, int]  # `train`, `test` -> images that repeat an earlier one of the split pixel for pixel
    leaked: int  # test images that stand pixel for pixel in the training split


def summarise(dataset: Dataset) -> Summary:
    """Count and measure a data set."""
    splits = {"train": dataset.train, "test": dataset.test}
    train, test = (tuple(np.bincount(each.labels, minlength=len(dataset.classes)).tolist()) for each in splits.values())
    mean, std = pixel_statistics(dataset.train.images)
    repeated = {name: len(each) - len(set(map(fingerprint, each.images))) for name, each in splits.items()}
    sizes = Counter(f"{width:.0f} x {height:.0f}" for width, height, _ in dataset.files.values())
    leaked = int(leaked_test_images(dataset).sum())
    return Summary(train, test, mean, std, dict(sizes.most_common()), repeated, leaked)


def pixel_statistics(images: np.ndarray) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each channel over all pixels / 255 of uint8 [N, C, H, W], N >= 1."""
    levels = np.zeros((images.shape[1], 256), dtype=np.int64)  # how many pixels are of each level
    for image in images:
        levels += [np.bincount(channel.ravel(), minlength=256) for channel in image]
    count = int(levels[0].sum())
    totals, squares = ((levels @ np.arange(256) ** power).tolist() for power in (1, 2))
    # In whole numbers of any length: the difference of two nearly equal floats would lose digits.
    variances = (square * count - total**2 for total, square in zip(totals, squares, strict=True))
    return tuple(total / count / 255 for total in totals), tuple(math.sqrt(each) / count / 255 for each in variances)
