"""A backdoored model before and after repairs: pruned and tuned on clean images, or trained again without poison."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from functools import cached_property
from typing import Any

import numpy as np

from mri_robust.adapters.art_poison_detectors import activation_flags
from mri_robust.core.progress import OnImages
from mri_robust.defences.fine_pruning import FinePruning, channels_off, last_convolution, prune_channels, pruning_order
from mri_robust.evaluation.class_report import figure
from mri_robust.evaluation.measures.backdoor import triggered
from mri_robust.evaluation.poisoned_training import PoisonedTraining, training_set, trusted_images
from mri_robust.evaluation.prediction import BATCH, predicted_classes
from mri_robust.evaluation.rates import share
from mri_robust.evaluation.retraining import retrained
from mri_robust.evaluation.subject import Subject
from mri_robust.evaluation.subsets import drawn, subsets
from mri_robust.models.classifier import Classifier
from mri_robust.models.features import penultimate_features

Facts = list[dict[str, Any]]


def measure_repair(parameters: Mapping[str, Any], subject: Subject, on_step: OnImages | None = None) -> dict[str, Any]:
    """Repair copies of the model, and count what each calls the test images, clean and triggered.

    Args:
        parameters: `repairs` (names of `REPAIRS`), `training` (the model's, see `training_set` and `retrained`),
            `trusted` (how many clean images the repairer has), `pruning` (of `FinePruning`), `analysis` (of the
            activation clustering that flags), `images` (most clean and most triggered ones for `pruning`), `target`,
            `leak_free` and `seed`.
        subject: the backdoored model, its data and the precision to train in.
        on_step: called with repairs done and repairs in all.

    Returns:
        `rows`: for each repair `accuracy` on clean test images; `asr`, the share of triggered images of other classes
        that the model calls `target`, and `missed_tumour_rate`, that share without the trigger; `pruned`, the share of
        the channels, or `removed`, the share of the training images that it took away. `pruning`: accuracy and attack
        success over the pruned channels.
    """
    scene = Scene(parameters, subject)
    rows = []
    for number, repair in enumerate(parameters["repairs"], start=1):
        model, facts = REPAIRS[repair](scene)
        rows.append(scene.counted(model) + facts)
        if on_step:
            on_step(number, len(parameters["repairs"]))
    return {"rows": rows, "pruning": [scene.path()]}


class Scene:
    """The model to be repaired, what the repairer has, and what repairs are measured on."""

    def __init__(self, parameters: Mapping[str, Any], subject: Subject) -> None:
        self.parameters = parameters
        self.subject = subject
        self.model: Classifier = subject.model
        self.pruning = FinePruning(**parameters["pruning"])
        self.trusted = trusted_images(subject.dataset.train, parameters["trusted"], parameters["seed"])
        self.victims = np.flatnonzero(subject.dataset.test.labels != parameters["target"])
        self.triggered = triggered(subject.dataset, self.victims)[self.victims]

    @cached_property
    def training(self) -> PoisonedTraining:
        """What the model was trained on."""
        return training_set(self.parameters["training"], self.subject.dataset)

    @cached_property
    def gone(self) -> np.ndarray:
        """The channels that fine-pruning takes."""
        return self.pruning.choose(self.model, *self.trusted)

    def counted(self, model: Classifier) -> Facts:
        """Accuracy on the clean test images, attack success on the triggered ones, and what falls without a trigger."""
        test, target, rows = self.subject.dataset.test, self.parameters["target"], []
        called = predicted_classes(model, test.images)
        fooled = predicted_classes(model, self.triggered) == target
        for name, kept in subsets(self.subject.dataset, self.parameters["leak_free"]).items():
            rows.append(share((called == test.labels)[kept], "accuracy", name))
            victims = kept[self.victims]
            if victims.any():
                rows.append(share(fooled[victims], "asr", name))
                rows.append(share((called == target)[self.victims][victims], "missed_tumour_rate", name))
        return rows

    def path(self) -> dict[str, Any]:
        """Clean accuracy and attack success on some test images as channels go, and where fine-pruning stops."""
        test, count, seed = self.subject.dataset.test, self.parameters["images"], self.parameters["seed"]
        clean = drawn(np.arange(len(test)), count, seed, "clean inputs")
        stamped = drawn(np.arange(len(self.victims)), count, seed, "triggered inputs")
        path: dict[str, Any] = {"counts": self.pruning.counts(self.model), "chosen": len(self.gone)}
        path |= {"accuracy": [], "asr": []}
        order = pruning_order(self.model, self.trusted[0])
        for pruned in path["counts"]:
            with channels_off(self.model, order[:pruned]):
                right = predicted_classes(self.model, test.images[clean]) == test.labels[clean]
                fooled = predicted_classes(self.model, self.triggered[stamped]) == self.parameters["target"]
            path["accuracy"].append(float(right.mean()))
            path["asr"].append(float(fooled.mean()))
        return path

    def pruned(self, *, tune: bool) -> tuple[Classifier, Facts]:
        """A copy of the model without the channels, and then tuned."""
        model = deepcopy(self.model)
        prune_channels(model, self.gone)
        facts = [figure("pruned", len(self.gone) / last_convolution(model)[0].out_channels)]
        return (self._tuned(model, self.gone) if tune else model), facts

    def tuned(self) -> tuple[Classifier, Facts]:
        """A copy of the model tuned on the clean images, all its channels there."""
        return self._tuned(deepcopy(self.model), self.gone[:0]), []

    def _tuned(self, model: Classifier, gone: np.ndarray) -> Classifier:
        self.pruning.tune(model, *self.trusted, gone, seed=self.parameters["seed"], precision=self.subject.precision)
        return model

    def without(self, dropped: np.ndarray) -> tuple[Classifier, Facts]:
        """A model trained again without the marked training images; where none is marked, the model that was."""
        facts = [figure("removed", float(dropped.mean()))]
        if not dropped.any():
            return self.model, facts
        rest = self.training.without(dropped)
        return retrained(self.model, self.parameters["training"], rest, self.subject.precision), facts

    def flagged(self) -> np.ndarray:
        """The training images that activation clustering takes for poison."""
        features = penultimate_features(self.model, self.training.batches(BATCH))
        analysis, seed = self.parameters["analysis"], self.parameters["seed"]
        return activation_flags(features, self.training.labels, analysis=analysis, seed=seed)


REPAIRS: dict[str, Callable[[Scene], tuple[Classifier, Facts]]] = {
    "none": lambda scene: (scene.model, []),
    "pruned": lambda scene: scene.pruned(tune=False),
    "pruned and tuned": lambda scene: scene.pruned(tune=True),
    "tuned": lambda scene: scene.tuned(),
    "without flagged": lambda scene: scene.without(scene.flagged()),
    "without poison": lambda scene: scene.without(scene.training.poisoned),
}
"""Repair by name: (scene) -> the repaired model, and rows that say what was taken away. The last is the oracle's."""

MEASURE = measure_repair
