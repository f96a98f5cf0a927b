"""Images that stand twice in a data set, and test images that a model has already seen in training.

A test image with a twin in training measures memory, not generalisation: accuracy and every attack's success on it
are flattering or misleading, so reports say how many there are and can leave them out.
"""

from __future__ import annotations

import hashlib

import numpy as np

from mri_robust.data.dataset import Dataset, Split


def leaked_test_images(dataset: Dataset) -> np.ndarray:
    """Which test images stand pixel for pixel in the training split, whatever their label.

    Twins are looked for among the pixels as loaded, after the resize and in the loaded channels, for these are what
    a model sees. Two files that differ a little can become twins at a small size.

    Returns:
        bool [N_test], True where a training image has exactly the same pixels.
    """
    seen = set(fingerprints(dataset.train))
    return np.array([twin in seen for twin in fingerprints(dataset.test)], dtype=bool)


def duplicate_counts(dataset: Dataset) -> dict[str, int]:
    """How many images of a split repeat an earlier one of the same split pixel for pixel, as loaded.

    Returns:
        `train` and `test` -> number of images that could go without losing any picture.
    """
    return {
        name: len(split) - len(set(fingerprints(split)))
        for name, split in (("train", dataset.train), ("test", dataset.test))
    }


def fingerprints(split: Split) -> list[bytes]:
    """A digest of the pixels of every image; equal for equal images, and different for different ones."""
    return [hashlib.sha256(np.ascontiguousarray(image).data).digest() for image in split.images]
