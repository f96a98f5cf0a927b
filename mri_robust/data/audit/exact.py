"""Images that stand twice in a data set, and test images that a model has already seen in training.

A test image with a twin in training measures memory, not generalisation: accuracy and every attack's success on it
are flattering or misleading, so reports say how many there are and can leave them out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Hashable

import numpy as np

from mri_robust.data.dataset import Dataset

_leaked: dict[tuple[Hashable, ...], np.ndarray] = {}


def leaked_test_images(dataset: Dataset) -> np.ndarray:
    """Which test images stand pixel for pixel in the training split, whatever their label.

    Twins are looked for among the pixels as loaded, after the resize and in the loaded channels, for these are what
    a model sees. Two files that differ a little can become twins at a small size. The answer is remembered for as
    long as the process lives, since a bench asks for it in many cells.

    Returns:
        Read-only bool [N_test], True where a training image has exactly the same pixels.
    """
    # The digest names the whole data set; the names tell it from a part that was cut out of it.
    key = (dataset.digest, dataset.train.images.shape, dataset.train.names, dataset.test.names)
    if key not in _leaked:
        seen = {fingerprint(image) for image in dataset.train.images}
        leaked = np.array([fingerprint(image) in seen for image in dataset.test.images], dtype=bool)
        leaked.flags.writeable = False
        _leaked[key] = leaked
    return _leaked[key]


def duplicate_counts(dataset: Dataset) -> dict[str, int]:
    """How many images of a split repeat an earlier one of the same split pixel for pixel, as loaded.

    Returns:
        `train` and `test` -> number of images that could go without losing any picture.
    """
    return {
        name: len(split) - len({fingerprint(image) for image in split.images})
        for name, split in (("train", dataset.train), ("test", dataset.test))
    }


def fingerprint(image: np.ndarray) -> bytes:
    """A digest of the pixels of an image; equal for equal images of one shape, and different for different ones."""
    return hashlib.sha256(np.ascontiguousarray(image).data).digest()
