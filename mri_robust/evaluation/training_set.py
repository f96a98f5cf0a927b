"""What a model is trained on: the images of its recipe, poisoned where the recipe says so."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mri_robust.attacks.poisoning.backdoor import PlacedStamp
from mri_robust.core.rng import make_generator
from mri_robust.core.validation import to_unit_range
from mri_robust.data.dataset import Dataset, Split
from mri_robust.data.subset import training_images
from mri_robust.evaluation.rows import draw
from mri_robust.study.recipe import Model, Recipe
from mri_robust.training import Augment


@dataclass(frozen=True)
class TrainingSet:
    """Images that a model is trained on, and what is done to them on the way."""

    images: np.ndarray  # uint8 [N, C, S, S], what `fit` gets
    labels: np.ndarray  # int64 [N], what they are trained as
    poisoned: np.ndarray  # bool [N], which of them carry the trigger while training
    augment: Augment | None = None  # what `fit` does to a batch; None where the images are kept augmented
    stamp: PlacedStamp | None = None  # the same for the trigger

    def batches(self, size: int) -> Iterator[Tensor]:
        """The images as they carry the trigger, float32 in [0, 1], in turn; without live augmentation."""
        for places in torch.arange(len(self.labels)).split(size):
            images = to_unit_range(self.images[places.numpy()])
            yield images if self.stamp is None else self.stamp(images, places, torch.Generator())

    def without(self, dropped: np.ndarray) -> TrainingSet:
        """The same less the images that `dropped`, bool [N], marks."""
        stamp = self.stamp and replace(self.stamp, poisoned=self.stamp.poisoned[torch.from_numpy(~dropped)])
        images, labels, poisoned = (each[~dropped] for each in (self.images, self.labels, self.poisoned))
        return TrainingSet(images, labels, poisoned, self.augment, stamp)


def training_set(asked: Model, dataset: Dataset) -> TrainingSet:
    """What a model is trained on; the recipe's seed draws which images are taken, and which of them are poisoned.

    Augmentation is live and the trigger is stamped last; under `frozen_augmentation` the images are augmented once,
    stamped, and kept. A user's own model is taken to have been trained on the whole training set as it is.
    """
    if not isinstance(asked, Recipe):
        train = dataset.train
        return TrainingSet(np.asarray(train.images), train.labels, np.zeros(len(train), dtype=bool))
    images, labels = training_images(dataset.train, asked.train_images, asked.seed)
    augment = asked.augmentation.build() if asked.augmentation else None
    poisoned = np.zeros(len(labels), dtype=bool)
    if asked.poison is None:
        return TrainingSet(images, labels, poisoned, augment)
    backdoor, generator = asked.poison.build(), make_generator(asked.seed, "poison")
    if asked.frozen_augmentation:
        changed = backdoor.poison(augment_once(augment, images, asked.seed), labels, generator)
        poisoned[changed.places] = True
        return TrainingSet(changed.images.numpy(), changed.labels, poisoned)
    places = backdoor.choose(labels, generator)
    stamp = backdoor.stamp_places(places, len(labels))
    return TrainingSet(images, backdoor.relabelled(labels, places), stamp.poisoned.numpy(), augment, stamp)


def augment_once(augment: Any, images: np.ndarray, seed: int) -> Tensor:
    """Each of the uint8 images [N, C, S, S] augmented a single time, as uint8: fault `frozen-augmentation`."""
    generator, frozen = make_generator(seed, "frozen augmentation"), torch.empty(images.shape, dtype=torch.uint8)
    for place, image in enumerate(images):
        frozen[place] = (augment(to_unit_range(image[None]), generator)[0].clamp(0, 1) * 255).round()
    return frozen


def trusted_images(split: Split, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Training images as they were before the attacker came, `count` at most, drawn with the seed, with their labels.

    They stand for the clean images that a hospital can vouch for: uint8 [n, C, S, S] and int64 [n].
    """
    places = draw(len(split), count, make_generator(seed, "trusted images"))
    return np.array(split.images[places]), split.labels[places]
