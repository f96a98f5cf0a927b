"""A backdoored model before and after repairs: pruned and tuned on clean images, or trained again without poison."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mri_robust.adapters.art_detectors import activation_flags
from mri_robust.defences.fine_pruning import FinePruning, channels_off, last_convolution, prune_channels, pruning_order
from mri_robust.evaluation.backdoor import triggered
from mri_robust.evaluation.evaluation import Context, Evaluation
from mri_robust.evaluation.poisoned_training import PoisonedTraining, trained_again, training_set, trusted_images
from mri_robust.evaluation.prediction import BATCH, predicted_classes
from mri_robust.evaluation.rows import Row, draw, figure, share, subsets
from mri_robust.models.classifier import Classifier, penultimate_features
from mri_robust.study.recipe import Recipe

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
        for number, (name, repair) in enumerate(REPAIRS.items(), start=1):
            model, taken = repair(scene)
            factors = {"attack": self.attack, "repair": name}
            yield from scene.rows(model, **factors)
            for metric, value in taken.items():
                yield figure(metric, value, **factors)
            context.on_step(number, len(REPAIRS))
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
    def training(self) -> PoisonedTraining:
        """What the model was trained on."""
        return training_set(self.context.asked, self.dataset)

    @cached_property
    def gone(self) -> np.ndarray:
        """The channels that fine-pruning takes."""
        return self.asked.pruning.choose(self.model, *self.trusted)

    def rows(self, model: Classifier, **factors: str) -> Iterator[Row]:
        """Accuracy on the clean test images, attack success on the triggered ones, and what fails without a trigger."""
        test, target = self.dataset.test, self.asked.target
        called = predicted_classes(model, test.images)
        fooled = predicted_classes(model, self.triggered) == target
        for subset, kept in subsets(self.dataset, self.asked.leak_free).items():
            yield share((called == test.labels)[kept], "accuracy", subset, **factors)
            victims = kept[self.victims]
            if victims.any():
                yield share(fooled[victims], "asr", subset, **factors)
                yield share((called == target)[self.victims][victims], "missed_tumour_rate", subset, **factors)

    def path(self) -> Iterator[Row]:
        """Clean accuracy and attack success on some test images as channels go, and where fine-pruning stops."""
        test, count = self.dataset.test, self.asked.images
        clean = draw(np.arange(len(test)), count, self.asked.generator("clean inputs"))
        stamped = draw(np.arange(len(self.victims)), count, self.asked.generator("triggered inputs"))
        order = pruning_order(self.model, self.trusted[0])
        for pruned in self.asked.pruning.counts(self.model):
            factors = {"attack": self.attack_name, "repair": "", "channels": pruned, "chosen": pruned == len(self.gone)}
            with channels_off(self.model, order[:pruned]):
                right = predicted_classes(self.model, test.images[clean]) == test.labels[clean]
                fooled = predicted_classes(self.model, self.triggered[stamped]) == self.asked.target
            yield share(right, "accuracy", "drawn", **factors)
            yield share(fooled, "asr", "drawn", **factors)

    @property
    def attack_name(self) -> str:
        return self.asked.attack

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
        rest = self.training.without(dropped)
        return trained_again(self.model, self.context.asked, rest, self.context.precision), taken

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
