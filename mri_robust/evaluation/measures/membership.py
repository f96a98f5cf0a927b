"""How well an attacker tells the images that a model was trained on from images that it was not trained on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import torch

from mri_robust.adapters.art_membership import Labelled, art_losses, learned_scores, rule_says_member
from mri_robust.attacks.privacy.membership import LossThreshold
from mri_robust.attacks.registry import POISONING
from mri_robust.core.progress import OnImages
from mri_robust.core.rng import derive_seed, make_generator
from mri_robust.data.audit import fingerprint, leaked_test_images
from mri_robust.data.subset import training_places
from mri_robust.evaluation.class_report import figure
from mri_robust.evaluation.poisoned_training import training_set
from mri_robust.evaluation.prediction import predicted_classes
from mri_robust.evaluation.rates import share
from mri_robust.evaluation.roc import auc_row, caught_at, roc
from mri_robust.evaluation.subject import Subject
from mri_robust.training import to_unit_range

FALSE_POSITIVES = 0.01
"""The false-positive rate at which `tpr_at_1_fpr` is read off the ROC curve."""
TOLERANCE = 1e-4
"""Relative or absolute difference up to which two losses count as the same."""
MOST = 2000
"""Images of a kind, which are drawn where there are more."""


class Scored(NamedTuple):
    """What an attack says: 1 for a member and 0 for another image, int [N]; a score, float [N]; and rows of its own."""

    truth: np.ndarray
    scores: np.ndarray
    rows: list[dict[str, Any]]


def measure_membership(
    parameters: Mapping[str, Any], subject: Subject, on_step: OnImages | None = None
) -> dict[str, Any]:
    """Let each attack say of images whether they are members, and count.

    Args:
        parameters: `tests`, each an `attack` (`loss threshold`, `black box`, `right prediction`) and the `members` and
            `others` that it has to tell apart (`seen`, `held out`, `test`); `training` (see
            `training_set`) and `seed`.
        subject: the model and its data.
        on_step: called with tests done and tests in all.

    Returns:
        `rows`: for each test `auc`, `tpr_at_1_fpr`, the attack's own, and how many `members` and `others` were scored.
        `roc`: the curve of each loss threshold.
    """
    scene = _Scene(parameters, subject)
    rows, curves = [], []
    for number, test in enumerate(parameters["tests"], start=1):
        found = _ATTACKS[test["attack"]](scene, scene.images(test["members"]), scene.images(test["others"]))
        rows.append([*_judged(found), *found.rows])
        if test["attack"] == "loss threshold":
            curves.append(roc(f"{test['members']} v. {test['others']}", found.truth, found.scores))
        if on_step:
            on_step(number, len(parameters["tests"]))
    return {"rows": rows, "roc": curves}


def _judged(found: Scored) -> list[dict[str, Any]]:
    counts = [figure("members", int(found.truth.sum())), figure("others", int((found.truth == 0).sum()))]
    caught = caught_at(found.truth, found.scores, FALSE_POSITIVES, "tpr_at_1_fpr")
    return [auc_row(found.truth, found.scores), caught, *counts]


class _Scene:
    """The model, and the kinds of images that it is asked about."""

    def __init__(self, parameters: Mapping[str, Any], subject: Subject) -> None:
        self.training = parameters["training"]
        self.seed = parameters["seed"]
        self.model = subject.model
        self.dataset = subject.dataset

    def images(self, kind: str) -> Labelled:
        """At most `MOST` images of a kind: of two kinds none has a twin in the other.

        Raises:
            ValueError: there are none.
        """
        images, labels = {"seen": self._seen, "held out": self._held_out, "test": self._test}[kind]()
        if not len(labels):
            raise ValueError(f"there are no images '{kind}' without a twin among those trained on")
        some = torch.randperm(len(labels), generator=make_generator(self.seed, kind))[:MOST].numpy()
        return to_unit_range(torch.from_numpy(np.array(images[some]))), torch.from_numpy(labels[some])

    def _seen(self) -> tuple[np.ndarray, np.ndarray]:
        """Under the labels that they were trained with."""
        seen = training_set(self.training, self.dataset)
        return seen.images, seen.labels

    def _held_out(self) -> tuple[np.ndarray, np.ndarray]:
        """Training images that this model was not trained on."""
        train = self.dataset.train
        seen = training_places(len(train), self.training["train_images"], self.training["seed"])
        twins = {fingerprint(train.images[place]) for place in seen}
        others = np.setdiff1d(np.arange(len(train)), seen)
        kept = np.array([place for place in others if fingerprint(train.images[place]) not in twins], dtype=np.int64)
        return train.images[kept], self._labels(train.labels[kept])

    def _test(self) -> tuple[np.ndarray, np.ndarray]:
        kept, test = ~leaked_test_images(self.dataset), self.dataset.test
        return test.images[kept], self._labels(test.labels[kept])

    def _labels(self, labels: np.ndarray) -> np.ndarray:
        """Shuffled as those that the model was trained with, or as they are."""
        if self.training["poison"] is None:
            return labels
        attack = self.training["poison"].build(POISONING)
        return attack.relabelled(labels, attack.choose(labels, make_generator(self.seed, "others' labels")))


def _loss_threshold(scene: _Scene, members: Labelled, others: Labelled) -> Scored:
    images, labels = asked = _joined(members, others)
    scores = LossThreshold()(scene.model, images, labels).numpy()
    same = np.isclose(-scores, art_losses(scene.model, asked), rtol=TOLERANCE, atol=TOLERANCE)
    return Scored(_truth(members, others), scores, [share(same, "same_as_art")])


def _right_prediction(scene: _Scene, members: Labelled, others: Labelled) -> Scored:
    images, labels = asked = _joined(members, others)
    right, truth = predicted_classes(scene.model, images) == labels.numpy(), _truth(members, others)
    same = share(right == rule_says_member(scene.model, asked), "same_as_art")
    accuracies = [share(right[truth == 1], "accuracy", "training"), share(right[truth == 0], "accuracy")]
    return Scored(truth, right.astype(float), [*accuracies, same])


def _black_box(scene: _Scene, members: Labelled, others: Labelled) -> Scored:
    """Learns from half of the fewer images, and as many of the others; is asked about all that it has not seen."""
    known = min(len(members[1]), len(others[1])) // 2
    (learned, asked), (learned_others, asked_others) = (_parted(each, known) for each in (members, others))
    scores = learned_scores(
        scene.model, learned, learned_others, _joined(asked, asked_others), seed=derive_seed(scene.seed, "black box")
    )
    return Scored(_truth(asked, asked_others), scores, [])


def _joined(one: Labelled, other: Labelled) -> Labelled:
    return torch.cat([one[0], other[0]]), torch.cat([one[1], other[1]])


def _parted(images: Labelled, count: int) -> tuple[Labelled, Labelled]:
    return (images[0][:count], images[1][:count]), (images[0][count:], images[1][count:])


def _truth(members: Labelled, others: Labelled) -> np.ndarray:
    return np.repeat([1, 0], [len(members[1]), len(others[1])])


_ATTACKS = {"loss threshold": _loss_threshold, "black box": _black_box, "right prediction": _right_prediction}
MEASURE = measure_membership
