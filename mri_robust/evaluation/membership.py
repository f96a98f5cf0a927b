"""How well an attacker tells the images that a model was trained on from images that it was not trained on."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from mri_robust.adapters.art_privacy import Labelled, art_losses, learned_scores, rule_says_member
from mri_robust.attacks.privacy.membership import membership_scores
from mri_robust.core.rng import derive_seed
from mri_robust.core.validation import to_unit_range
from mri_robust.data.audit import fingerprint, leaked_test_images
from mri_robust.data.dataset import Split
from mri_robust.data.subset import training_places
from mri_robust.evaluation.evaluation import Context, Evaluation, predicted_classes
from mri_robust.evaluation.pictures import roc_points
from mri_robust.evaluation.rows import Row, auc_row, caught_row, figure, share
from mri_robust.evaluation.training_set import training_set
from mri_robust.study.recipe import Recipe

SEEN, HELD_OUT, TEST = "seen", "held out", "test"
LOSS_THRESHOLD, BLACK_BOX, RIGHT = "loss threshold", "black box", "right prediction"
ATTACKS = (LOSS_THRESHOLD, BLACK_BOX, RIGHT)
FALSE_POSITIVES = 0.01  # the false-positive rate at which `tpr_at_1_fpr` is read off the ROC curve
TOLERANCE = 1e-4  # relative or absolute difference up to which two losses count as the same
MOST = 2000  # images of a kind, which are drawn where there are more

Question = tuple[str, str, str]
"""(attack, the members, the others): which images are told apart from which."""
Scored = tuple[np.ndarray, np.ndarray, list[Row]]
"""What an attack says: bool [N], whether each image is a member; a score, float [N]; and rows of its own."""


@dataclass(frozen=True)
class MembershipTest(Evaluation):
    """Let each attack say of images whether they are members, and count.

    `auc`, `tpr_at_1_fpr`, the attack's own figures, and how many `members` and `others` were scored. The kinds of
    images are `seen`, `held out` and `test`. Held-out against test images are a control: no model saw either.
    """

    questions: tuple[Question, ...]

    def __call__(self, context: Context) -> Iterator[Row]:
        """The rows of each question."""
        context.artefacts["roc"] = []
        for attack, members, others in context.steps(self.questions):
            kinds = [self._images(context, kind) for kind in (members, others)]
            truth, scores, rows = self._ask(context.model, attack, *kinds)
            control = "control" if members == HELD_OUT else ""
            factors: Row = {"attack": attack, "members": members, "others": others, "control": control}
            yield auc_row(truth, scores, **factors)
            yield caught_row(truth, scores, FALSE_POSITIVES, "tpr_at_1_fpr", **factors)
            yield from ({**factors, **row} for row in rows)
            yield figure("member_images", int(truth.sum()), **factors)
            yield figure("other_images", int((~truth).sum()), **factors)
            if attack == LOSS_THRESHOLD:
                context.artefacts["roc"].append(roc_points(f"{members} against {others}", truth, scores))

    def _ask(self, model: nn.Module, attack: str, members: Labelled, others: Labelled) -> Scored:
        """What an attack says of members and others."""
        if attack == BLACK_BOX:
            return self._ask_black_box(model, members, others)
        images, labels = asked = _joined(members, others)
        truth = _truth(members, others)
        if attack == LOSS_THRESHOLD:
            scores = membership_scores(model, images, labels).numpy()
            same = np.isclose(-scores, art_losses(model, asked), rtol=TOLERANCE, atol=TOLERANCE)
            return truth, scores, [share(same, "same_as_art")]
        right = predicted_classes(model, images) == labels.numpy()
        accuracies = [share(right[truth], "accuracy", "training"), share(right[~truth], "accuracy")]
        return truth, right.astype(float), [*accuracies, share(right == rule_says_member(model, asked), "same_as_art")]

    def _ask_black_box(self, model: nn.Module, members: Labelled, others: Labelled) -> Scored:
        """Learns from half of the fewer images, and as many of the others; is asked about all that it has not seen."""
        known = min(len(members[1]), len(others[1])) // 2
        learned, learned_others = ((images[:known], labels[:known]) for images, labels in (members, others))
        asked, asked_others = ((images[known:], labels[known:]) for images, labels in (members, others))
        seed = derive_seed(self.seed, "black box")
        scores = learned_scores(model, learned, learned_others, _joined(asked, asked_others), seed=seed)
        return _truth(asked, asked_others), scores, []

    def _images(self, context: Context, kind: str) -> Labelled:
        """At most `MOST` images of a kind: of two kinds none has a duplicate in the other. ValueError without any."""
        if kind == SEEN:  # under the labels that they were trained with
            seen = training_set(context.asked, context.dataset)
            images, labels = seen.images, seen.labels
        else:
            split, places = _not_seen(context, kind)
            images, labels = split.images[places], split.labels[places]
            poison = getattr(context.asked, "poison", None)
            if poison is not None:  # shuffled as those that the model was trained with
                attack = poison.build()
                labels = attack.relabelled(labels, attack.choose(labels, self.generator("others' labels")))
        if not len(labels):
            raise ValueError(f"there are no images '{kind}' without a duplicate among those trained on")
        some = torch.randperm(len(labels), generator=self.generator(kind))[:MOST].numpy()
        return to_unit_range(images[some]), torch.from_numpy(labels[some])


def _not_seen(context: Context, kind: str) -> tuple[Split, np.ndarray]:
    """The test or the training images, and the places of those that neither were trained on nor equal one that was."""
    dataset, asked = context.dataset, context.asked
    if kind == TEST:
        return dataset.test, np.flatnonzero(~leaked_test_images(dataset))
    train = dataset.train
    most, seed = (asked.train_images, asked.seed) if isinstance(asked, Recipe) else (None, 0)
    seen = training_places(len(train), most, seed)
    known = {fingerprint(train.images[place]) for place in seen}
    others = np.setdiff1d(np.arange(len(train)), seen)
    return train, others[[fingerprint(train.images[place]) not in known for place in others]]


def _joined(one: Labelled, other: Labelled) -> Labelled:
    return torch.cat([one[0], other[0]]), torch.cat([one[1], other[1]])


def _truth(members: Labelled, others: Labelled) -> np.ndarray:
    return np.repeat([True, False], [len(members[1]), len(others[1])])
