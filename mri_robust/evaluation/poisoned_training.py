"""What a backdoored model is trained on, and another model trained on part of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mri_robust.attacks.poisoning.backdoor import Backdoor, PlacedStamp
from mri_robust.core.eval_mode import device_of
from mri_robust.core.rng import derive_seed, make_generator
from mri_robust.data.dataset import Dataset, Split
from mri_robust.data.subset import training_images
from mri_robust.evaluation.rows import draw
from mri_robust.models.classifier import Classifier, build_model
from mri_robust.study.recipe import Model, Recipe
from mri_robust.training import Augment, Changes, FitSettings, fit, to_unit_range


@dataclass(frozen=True)
class PoisonedTraining:
    """A poisoned training set.

    Attributes:
        images: uint8 [N, C, S, S], what `fit` gets.
        labels: int64 [N], what they are trained as.
        poisoned: bool [N], which of them carry the trigger while training.
        augment, stamp: what `fit` does to a batch; None where the images are kept augmented and stamped.
    """

    images: np.ndarray
    labels: np.ndarray
    poisoned: np.ndarray
    augment: Augment | None
    stamp: PlacedStamp | None

    def batches(self, size: int) -> Iterator[Tensor]:
        """The images as they carry the trigger, float32 in [0, 1], in turn; without live augmentation."""
        generator = torch.Generator()
        for places in torch.arange(len(self.labels)).split(size):
            images = to_unit_range(torch.from_numpy(np.array(self.images[places.numpy()])))
            yield images if self.stamp is None else self.stamp(images, places, generator)

    def without(self, dropped: np.ndarray) -> PoisonedTraining:
        """The same less the images that `dropped`, bool [N], marks."""
        kept = np.flatnonzero(~dropped)
        stamp = self.stamp and replace(self.stamp, poisoned=self.stamp.poisoned[torch.from_numpy(kept)])
        return replace(
            self, images=self.images[kept], labels=self.labels[kept], poisoned=self.poisoned[kept], stamp=stamp
        )


def poison_training(
    images: np.ndarray, labels: np.ndarray, backdoor: Backdoor, *, augment: Augment | None, seed: int, frozen: bool
) -> PoisonedTraining:
    """Draw with the seed which images are poisoned, and prepare the training.

    Args:
        images, labels: uint8 [N, C, S, S] and int64 [N], clean.
        backdoor: what is stamped, and relabelled.
        augment: of the training; None for none.
        seed: of the training.
        frozen: augment once, stamp, and keep: fault `frozen-augmentation`. Else augmentation is live and the trigger
            is stamped last.
    """
    generator = make_generator(seed, "poison")
    if frozen:
        changed = backdoor.poison(torch.from_numpy(augment_once(augment, images, seed)), labels, generator)
        poisoned = np.zeros(len(labels), dtype=bool)
        poisoned[changed.places] = True
        return PoisonedTraining(changed.images.numpy(), changed.labels, poisoned, None, None)
    places = backdoor.choose(labels, generator)
    stamp = backdoor.stamp_places(places, len(labels))
    return PoisonedTraining(images, backdoor.relabelled(labels, places), stamp.poisoned.numpy(), augment, stamp)


def training_set(asked: Model, dataset: Dataset) -> PoisonedTraining:
    """What a model was trained on.

    Args:
        asked: its recipe; a model of the user's own is taken to have been trained on the whole training set as it is.
        dataset: the data, clean.
    """
    if not isinstance(asked, Recipe):
        train = dataset.train
        return PoisonedTraining(np.asarray(train.images), train.labels, np.zeros(len(train), dtype=bool), None, None)
    images, labels = training_images(dataset.train, asked.train_images, asked.seed)
    augment = asked.augmentation.build() if asked.augmentation else None
    if asked.poison is None:
        return PoisonedTraining(images, labels, np.zeros(len(labels), dtype=bool), augment, None)
    return poison_training(
        images, labels, asked.poison.build(), augment=augment, seed=asked.seed, frozen=asked.frozen_augmentation
    )


def trained_again(model: Classifier, recipe: Recipe, training: PoisonedTraining, precision: str) -> Classifier:
    """A new model like `model`, trained from random weights; on the whole of its training set it is that model again.

    Args:
        model: tells what to build, and where.
        recipe: how it was trained.
        training: what to train on.
        precision: `fp32` or `bf16`.

    Raises:
        UserError: the loss is not finite.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(recipe.seed, "first weights", model.architecture))
        new = build_model(**model.description()).to(device_of(model))  # type: ignore[arg-type]
    optimizer = torch.optim.Adam(
        new.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay, fused=True
    )
    fit(
        new,
        training.images,
        training.labels,
        optimizer=optimizer,
        scheduler=torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, recipe.epochs) if recipe.anneal else None,
        settings=FitSettings(epochs=recipe.epochs, batch_size=recipe.batch_size, seed=recipe.seed, precision=precision),
        changes=Changes(training.augment, training.stamp),
    )
    return new


def trusted_images(split: Split, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Training images as they were before the attacker came, `count` at most, drawn with the seed, with their labels.

    They stand for the clean images that a hospital can vouch for: uint8 [n, C, S, S] and int64 [n].
    """
    places = draw(np.arange(len(split)), count, make_generator(seed, "trusted images"))
    return np.array(split.images[places]), split.labels[places]


def augment_once(augment: Any, images: np.ndarray, seed: int) -> np.ndarray:
    """Each of the uint8 images [N, C, S, S] augmented a single time, as uint8: fault `frozen-augmentation`."""
    generator = make_generator(seed, "frozen augmentation")
    frozen = np.empty(images.shape, np.uint8)
    for place, image in enumerate(images):
        changed = augment(to_unit_range(torch.from_numpy(np.array(image[None]))), generator)
        frozen[place] = (changed[0].clamp(0, 1) * 255).round().to(torch.uint8).numpy()
    return frozen
