"""How well an attacker tells the images that a model was trained on from images that it was not trained on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch

from mri_robust.adapters.art_privacy import Labelled, art_losses, learned_scores, rule_says_member
from mri_robust.attacks.privacy.membership import LossThreshold
from mri_robust.core.rng import derive_seed
from mri_robust.data.audit import fingerprint, leaked_test_images
from mri_robust.data.subset import training_places
from mri_robust.evaluation.evaluation import Context, Evaluation
from mri_robust.evaluation.poisoned_training import training_set
from mri_robust.evaluation.prediction import predicted_classes
from mri_robust.evaluation.rows import Row, auc_row, caught_row, figure, roc_points, share
from mri_robust.study.recipe import Recipe
from mri_robust.training import to_unit_range

SEEN, HELD_OUT, TEST = "seen", "held out", "test"
LOSS_THRESHOLD, BLACK_BOX, RIGHT = "loss threshold", "black box", "right prediction"
ATTACKS = (LOSS_THRESHOLD, BLACK_BOX, RIGHT)
FALSE_POSITIVES = 0.01
"""The false-positive rate at which `tpr_at_1_fpr` is read off the ROC curve."""
TOLERANCE = 1e-4
"""Relative or absolute difference up to which two losses count as the same."""
MOST = 2000
"""Images of a kind, which are drawn where there are more."""

Question = tuple[str, str, str]
"""(attack, the members, the others): which images are told apart from which."""


class Scored(NamedTuple):
    """What an attack says: 1 for a member and 0 for another image, int [N]; a score, float [N]; and rows of its own."""

    truth: np.ndarray
    scores: np.ndarray
    rows: list[Row]


@dataclass(frozen=True)
class MembershipTest(Evaluation):
    """Let each attack say of images whether they are members, and count.

    `auc`, `tpr_at_1_fpr`, the attack's own figures, and how many `members` and `others` were scored.

    Attributes:
        questions: what is asked, of the kinds of images `seen`, `held out` and `test`. Held-out images against test
            images are a control: nobody was trained on either.
    """

    questions: tuple[Question, ...]

    def __call__(self, context: Context) -> Iterator[Row]:
        """The rows of each question."""
        scene = _Scene(context, self)
        context.artefacts["roc"] = []
        for number, (attack, members, others) in enumerate(self.questions, start=1):
            found = scene.ask(attack, scene.images(members), scene.images(others))
            control = "control" if members == HELD_OUT else ""
            factors = {"attack": attack, "members": members, "others": others, "control": control}
            yield auc_row(found.truth, found.scores, **factors)
            yield caught_row(found.truth, found.scores, FALSE_POSITIVES, "tpr_at_1_fpr", **factors)
            for row in found.rows:
                yield {**factors, **row}
            yield figure("member_images", int(found.truth.sum()), **factors)
            yield figure("other_images", int((found.truth == 0).sum()), **factors)
            if attack == LOSS_THRESHOLD:
                curve = roc_points(f"{members} against {others}", found.truth, found.scores)
                context.artefacts["roc"].append(curve)
            context.on_step(number, len(self.questions))


class _Scene:
    """The model, and the kinds of images that it is asked about."""

    def __init__(self, context: Context, asked: MembershipTest) -> None:
        self.asked, self.trained = asked, context.asked
        self.model, self.dataset = context.model, context.dataset
        self.recipe = context.asked if isinstance(context.asked, Recipe) else None

    def ask(self, attack: str, members: Labelled, others: Labelled) -> Scored:
        """What an attack says of members and others."""
        if attack == BLACK_BOX:
            return self._black_box(members, others)
        images, labels = asked = _joined(members, others)
        truth = _truth(members, others)
        if attack == LOSS_THRESHOLD:
            scores = LossThreshold()(self.model, images, labels).numpy()
            same = np.isclose(-scores, art_losses(self.model, asked), rtol=TOLERANCE, atol=TOLERANCE)
            return Scored(truth, scores, [share(same, "same_as_art")])
        right = predicted_classes(self.model, images) == labels.numpy()
        same = share(right == rule_says_member(self.model, asked), "same_as_art")
        accuracies = [share(right[truth == 1], "accuracy", "training"), share(right[truth == 0], "accuracy")]
        return Scored(truth, right.astype(float), [*accuracies, same])

    def _black_box(self, members: Labelled, others: Labelled) -> Scored:
        """Learns from half of the fewer images, and as many of the others; is asked about all that it has not seen."""
        known = min(len(members[1]), len(others[1])) // 2
        (learned, asked), (learned_others, asked_others) = (_parted(each, known) for each in (members, others))
        seed = derive_seed(self.asked.seed, "black box")
        scores = learned_scores(self.model, learned, learned_others, _joined(asked, asked_others), seed=seed)
        return Scored(_truth(asked, asked_others), scores, [])

    def images(self, kind: str) -> Labelled:
        """At most `MOST` images of a kind: of two kinds none has a duplicate in the other.

        Raises:
            ValueError: there are none.
        """
        images, labels = {SEEN: self._seen, HELD_OUT: self._held_out, TEST: self._test}[kind]()
        if not len(labels):
            raise ValueError(f"there are no images '{kind}' without a duplicate among those trained on")
        some = torch.randperm(len(labels), generator=self.asked.generator(kind))[:MOST].numpy()
        return to_unit_range(torch.from_numpy(np.array(images[some]))), torch.from_numpy(labels[some])

    def _seen(self) -> tuple[np.ndarray, np.ndarray]:
        """Under the labels that they were trained with."""
        seen = training_set(self.trained, self.dataset)
        return seen.images, seen.labels

    def _held_out(self) -> tuple[np.ndarray, np.ndarray]:
        """Training images that this model was not trained on."""
        train, recipe = self.dataset.train, self.recipe
        seen = training_places(len(train), recipe.train_images if recipe else None, recipe.seed if recipe else 0)
        fingerprints = {fingerprint(train.images[place]) for place in seen}
        others = np.setdiff1d(np.arange(len(train)), seen)
        kept = [place for place in others if fingerprint(train.images[place]) not in fingerprints]
        places = np.array(kept, dtype=np.int64)
        return train.images[places], self._labels(train.labels[places])

    def _test(self) -> tuple[np.ndarray, np.ndarray]:
        kept, test = ~leaked_test_images(self.dataset), self.dataset.test
        return test.images[kept], self._labels(test.labels[kept])

    def _labels(self, labels: np.ndarray) -> np.ndarray:
        """Shuffled as those that the model was trained with, or as they are."""
        if self.recipe is None or self.recipe.poison is None:
            return labels
        attack = self.recipe.poison.build()
        relabelled: np.ndarray = attack.relabelled(
            labels, attack.choose(labels, self.asked.generator("others' labels"))
        )
        return relabelled


def _joined(one: Labelled, other: Labelled) -> Labelled:
    return torch.cat([one[0], other[0]]), torch.cat([one[1], other[1]])


def _parted(images: Labelled, count: int) -> tuple[Labelled, Labelled]:
    return (images[0][:count], images[1][:count]), (images[0][count:], images[1][count:])


def _truth(members: Labelled, others: Labelled) -> np.ndarray:
    return np.repeat([1, 0], [len(members[1]), len(others[1])])
