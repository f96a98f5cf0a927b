"""ART's membership inference, black box: learned from examples, and by the rule that a right prediction is a member.

What ART 1.20.1 does, each seen in a run, and what is done about it here:

- The rule counts the classes among the labels given, so that an index label of a class beyond them raises or is read
  as another: labels go in one-hot.
- The learned attack's own models draw from NumPy's and torch's global generators: they are seeded for the call.
"""

from __future__ import annotations

import numpy as np
from art.attacks.inference.membership_inference import MembershipInferenceBlackBox, MembershipInferenceBlackBoxRuleBased
from torch import Tensor, nn

from mri_robust.adapters.art import as_art_classifier
from mri_robust.core.rng import seeded_globals
from mri_robust.core.eval_mode import eval_mode

Labelled = tuple[Tensor, Tensor]
"""Images, float32 [N, C, S, S] in [0, 1], and their labels, int64 [N]."""


def learned_scores(model: nn.Module, members: Labelled, others: Labelled, asked: Labelled, *, seed: int) -> np.ndarray:
    """How sure ART's `MembershipInferenceBlackBox` is that each image asked about is a member.

    It learns from the logits and labels of known members and known others, by gradient boosting.

    Args:
        model: gives logits; left as it was.
        members, others: what it learns from; none of them should be asked about.
        asked: what it is asked about.
        seed: of its learner.

    Returns:
        Float64 [N] in [0, 1].
    """
    (known, known_y), (unknown, unknown_y), (images, labels) = (_arrays(*each) for each in (members, others, asked))
    with eval_mode(model), seeded_globals(seed):
        attack = MembershipInferenceBlackBox(as_art_classifier(model), attack_model_type="gb")
        attack.fit(known, known_y, unknown, unknown_y)
        scores: np.ndarray = attack.infer(images, labels, probabilities=True)
    return scores[:, 0]


def rule_says_member(model: nn.Module, asked: Labelled) -> np.ndarray:
    """bool [N]: ART's `MembershipInferenceBlackBoxRuleBased`, a member where the predicted class is the label."""
    images, labels = _arrays(*asked)
    with eval_mode(model), seeded_globals(0):
        classifier = as_art_classifier(model)
        one_hot = np.eye(classifier.nb_classes)[labels]
        found: np.ndarray = MembershipInferenceBlackBoxRuleBased(classifier).infer(images, one_hot)
    return found == 1


def art_losses(model: nn.Module, asked: Labelled) -> np.ndarray:
    """Float32 [N]: the cross entropy of each image by ART's classifier, which its attack on losses thresholds."""
    images, labels = _arrays(*asked)
    with eval_mode(model):
        found: np.ndarray = as_art_classifier(model).compute_loss(images, labels, reduction="none")
    return found


def _arrays(images: Tensor, labels: Tensor) -> tuple[np.ndarray, np.ndarray]:
    return images.numpy(), labels.numpy()
