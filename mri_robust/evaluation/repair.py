"""A backdoored model before and after repairs: pruned and tuned on clean images, or trained again without poison."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch

from mri_robust.adapters.art_detectors import activation_flags
from mri_robust.core.eval_mode import device_of
from mri_robust.core.rng import derive_seed
from mri_robust.defences.fine_pruning import FinePruning, channels_off, last_convolution, prune_channels, pruning_order
from mri_robust.evaluation.backdoor import triggered
from mri_robust.evaluation.evaluation import Context, Evaluation
from mri_robust.evaluation.prediction import BATCH, predicted_classes
from mri_robust.evaluation.rows import Row, draw, figure, share, shares
from mri_robust.evaluation.training_set import TrainingSet, training_set, trusted_images
from mri_robust.models.classifier import Classifier, build_model, penultimate_features
from mri_robust.study.recipe import Recipe
from mri_robust.training import Changes, FitSettings, fit

ANALYSIS = "silhouette-scores"
"""Of the activation clustering that flags images before a model is trained again."""

Repaired = tuple[Classifier, dict[str, float]]
"""The repaired model, and metric -> the share that was taken away."""


@dataclass(frozen=True)
class Repair(Evaluation):
    """Repair copies of the model, and count what each calls the test images, clean and triggered.

    Attributes:
        target: the class that the trigger stands for.
        trusted: how many clean images the repairer has.
        images: most clean and most triggered images for the curve over pruned channels.
        pruning: how channels are pruned, and the rest tuned.
        attack: how the model was poisoned, for the rows.
    """

    target: int
    trusted: int
    images: int
    pruning: FinePruning
    attack: str = "creeper"

    def __call__(self, context: Context) -> Iterator[Row]:
        """For each repair `accuracy` on clean test images; `asr`, the share of triggered images of other classes that
        the model calls `target`, and `missed_tumour_rate`, that share without the trigger; `pruned`, the share of the
        channels, or `removed`, the share of the training images that it took away. Then accuracy and attack success
        over the pruned channels."""
        scene = _Scene(self, context)
        for name, repair in context.steps(REPAIRS.items()):
            model, taken = repair(scene)
            factors: Row = {"attack": self.attack, "repair": name}
            yield from scene.rows(model, **factors)
            for metric, value in taken.items():
                yield figure(metric, value, **factors)
        yield from scene.path()


class _Scene:
    """The model to be repaired, what the repairer has, and what repairs are measured on."""

    def __init__(self, asked: Repair, context: Context) -> None:
        self.asked, self.context, self.dataset = asked, context, context.dataset
        self.model: Classifier = context.model
        self.trusted = trusted_images(self.dataset.train, asked.trusted, asked.seed)
        self.victims = np.flatnonzero(self.dataset.test.labels != asked.target)
        self.triggered = triggered(self.dataset, self.victims)[self.victims]

    @cached_property
    def training(self) -> TrainingSet:
        """What the model was trained on."""
        return training_set(self.context.asked, self.dataset)

    @cached_property
    def gone(self) -> np.ndarray:
        """The channels that fine-pruning takes."""
        return self.asked.pruning.choose(self.model, *self.trusted)

    def rows(self, model: Classifier, **factors: Any) -> Iterator[Row]:
        """Accuracy on the clean test images, attack success on the triggered ones, and what fails without a trigger."""
        data, target = (self.dataset, self.asked.leak_free), self.asked.target
        called, fooled = (predicted_classes(model, each) for each in (self.dataset.test.images, self.triggered))
        yield from shares(called == self.dataset.test.labels, "accuracy", *data, **factors)
        yield from shares(fooled == target, "asr", *data, self.victims, **factors)
        yield from shares(called[self.victims] == target, "missed_tumour_rate", *data, self.victims, **factors)

    def path(self) -> Iterator[Row]:
        """Clean accuracy and attack success on some test images as channels go, and where fine-pruning stops."""
        test, count = self.dataset.test, self.asked.images
        clean = draw(len(test), count, self.asked.generator("clean inputs"))
        stamped = draw(len(self.victims), count, self.asked.generator("triggered inputs"))
        order = pruning_order(self.model, self.trusted[0])
        for pruned in self.asked.pruning.counts(self.model):
            chosen = pruned == len(self.gone)
            factors: Row = {"attack": self.asked.attack, "repair": "", "channels": pruned, "chosen": chosen}
            with channels_off(self.model, order[:pruned]):
                right = predicted_classes(self.model, test.images[clean]) == test.labels[clean]
                fooled = predicted_classes(self.model, self.triggered[stamped]) == self.asked.target
            yield share(right, "accuracy", "drawn", **factors)
            yield share(fooled, "asr", "drawn", **factors)

    def pruned(self, *, tune: bool) -> Repaired:
        """A copy of the model without the channels, and then tuned."""
        model = deepcopy(self.model)
        prune_channels(model, self.gone)
        taken = {"pruned": len(self.gone) / last_convolution(model)[0].out_channels}
        return (self._tuned(model, self.gone) if tune else model), taken

    def tuned(self) -> Repaired:
        """A copy of the model tuned on the clean images, all its channels there."""
        return self._tuned(deepcopy(self.model), self.gone[:0]), {}

    def _tuned(self, model: Classifier, gone: np.ndarray) -> Classifier:
        self.asked.pruning.tune(model, *self.trusted, gone, seed=self.asked.seed, precision=self.context.precision)
        return model

    def without(self, dropped: np.ndarray) -> Repaired:
        """A model trained again without the marked training images; where none is marked, the model that was.

        Raises:
            ValueError: nobody knows how a user's own model was trained.
        """
        taken = {"removed": float(dropped.mean())}
        if not dropped.any():
            return self.model, taken
        if not isinstance(self.context.asked, Recipe):
            raise ValueError("a model can be trained again by its recipe alone")
        rest, precision = self.training.without(dropped), self.context.precision
        return trained_again(self.model, self.context.asked, rest, precision), taken

    def flagged(self) -> np.ndarray:
        """The training images that activation clustering takes for poison."""
        features = penultimate_features(self.model, self.training.batches(BATCH))
        return activation_flags(features, self.training.labels, analysis=ANALYSIS, seed=self.asked.seed)


REPAIRS: dict[str, Callable[[_Scene], Repaired]] = {
    "none": lambda scene: (scene.model, {}),
    "pruned": lambda scene: scene.pruned(tune=False),
    "fine-pruned": lambda scene: scene.pruned(tune=True),
    "fine-tuned without pruning": lambda scene: scene.tuned(),
    "retrained without what activation clustering flags": lambda scene: scene.without(scene.flagged()),
    "retrained without the poison (oracle)": lambda scene: scene.without(scene.training.poisoned),
}
"""Repair -> how it is made. The last knows the poison, and bounds what removal can do."""


def trained_again(model: Classifier, recipe: Recipe, data: TrainingSet, precision: str) -> Classifier:
    """A new model like `model`, trained by its recipe on `data` from random weights, in `fp32` or `bf16`.

    On the whole of its training set it is that model again. UserError where the loss is not finite.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(recipe.seed, "first weights", model.architecture))
        new = build_model(**model.description()).to(device_of(model))  # type: ignore[arg-type]
    optimizer = torch.optim.Adam(
        new.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay, fused=True
    )
    fit(
        new,
        data.images,
        data.labels,
        optimizer=optimizer,
        scheduler=torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, recipe.epochs) if recipe.anneal else None,
        settings=FitSettings(epochs=recipe.epochs, batch_size=recipe.batch_size, seed=recipe.seed, precision=precision),
        changes=Changes(data.augment, data.stamp),
    )
    return new
