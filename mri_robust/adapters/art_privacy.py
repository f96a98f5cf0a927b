"""ART's attacks on privacy: extraction, inversion and membership inference.

What ART 1.20.1 does, each seen in a run, and what is done about it here:

- `KnockoffNets` and `CopycatCNN` ask a single query unless told: `nb_stolen` is the number of images given. With random
  sampling both are the same code: as in their papers Knockoff Nets learns here from probabilities, Copycat from labels.
- `use_probability` learns from whatever the classifier gives, logits too: the victim answers probabilities.
- `ClassLabels` marks in every row each class that occurs anywhere in the batch, so that a thief who takes the greatest
  always reads class 0, and the defence looks perfect: see `TopOne`.
- `MIFace` goes on with a class while its cost, 1 less what the classifier gives for it, is at *most* the threshold: on
  logits a class that the model does not see freezes after its first step. At an infinite threshold none does.
- The membership rule counts classes among the labels given, so that others raise or are misread: labels go in one-hot.
- All move NumPy's or torch's global generators, which are put back after the call; what is drawn comes from the seed.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from art.attacks.extraction import CopycatCNN, KnockoffNets
from art.attacks.inference.membership_inference import MembershipInferenceBlackBox, MembershipInferenceBlackBoxRuleBased
from art.attacks.inference.model_inversion import MIFace
from art.defences.postprocessor import ClassLabels, Postprocessor, Rounded
from torch import Tensor, nn

from mri_robust.adapters.art import classifier_for
from mri_robust.core.eval_mode import eval_mode
from mri_robust.core.rng import seeded_globals

QUERY_BATCH = 64
"""Images that the victim answers at a time."""
Labelled = tuple[Tensor, Tensor]
"""Images, float32 [N, C, S, S] in [0, 1], and their labels, int64 [N]."""


class TopOne(ClassLabels):
    """Answer with the class of greatest probability alone, one-hot; ART's `ClassLabels` as it is meant."""

    def __call__(self, preds: np.ndarray) -> np.ndarray:
        """One-hot [N, K], of the type of the probabilities [N, K]."""
        return np.eye(preds.shape[1], dtype=preds.dtype)[preds.argmax(1)]


class Shuffled(Postprocessor):
    """Give each query another query's answer: no defence but a control, which leaves a thief nothing to learn."""

    def __init__(self) -> None:
        super().__init__(is_fitted=True, apply_fit=False, apply_predict=True)

    def __call__(self, preds: np.ndarray) -> np.ndarray:
        """The rows of the probabilities [N, K] in another order, the same for equal N."""
        return np.random.default_rng(len(preds)).permutation(preds)


DEFENCES: dict[str, Callable[[], Postprocessor]] = {
    "rounded": partial(Rounded, decimals=1),
    "top-1": TopOne,
    "shuffled": Shuffled,
}
"""What is done to the victim's probabilities before they are given away: one decimal, the class alone, or a control."""


def steal(
    attack: Any, victim: nn.Module, thief: nn.Module, queries: Tensor, *, defence: str = "", seed: int
) -> tuple[Tensor, Tensor]:
    """Train `thief`, in place, on what `victim` answers, by ART's version of a native `Extraction`.

    Both take images [N, C, S, S] and give logits [N, K], on one device; the victim is left as it was, the thief in
    train mode. Each of the `queries` is asked once; `defence` is one of `DEFENCES`, or empty; `seed` decides the order
    of the queries and of the training batches. Returns the queries in the order asked, and the answers [B, K].
    """
    with eval_mode(victim), torch.enable_grad(), seeded_globals(seed):
        asked = classifier_for(victim, queries, softmax=True)
        if defence:
            asked.set_params(postprocessing_defences=DEFENCES[defence]())
        optimizer = attack.optimizer(thief, len(queries))
        learner = classifier_for(thief, queries, nb_classes=asked.nb_classes, optimizer=optimizer)
        extraction: Any = (CopycatCNN if attack.labels_only else KnockoffNets)(
            asked,
            batch_size_fit=attack.batch_size,
            batch_size_query=QUERY_BATCH,
            nb_epochs=attack.epochs(len(queries)),
            nb_stolen=len(queries),
            use_probability=not attack.labels_only,
        )
        ask, kept = extraction._query_label, list[np.ndarray]()

        def remember(x: np.ndarray) -> np.ndarray:
            kept[:] = x, ask(x)  # ART forgets both
            return kept[1]

        extraction._query_label = remember
        extraction.extract(queries.numpy(), thieved_classifier=learner)
    return torch.from_numpy(kept[0]), torch.from_numpy(kept[1])


def invert(attack: Any, model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    """An image of each class by ART's version of a native `Inversion` (MIFace, Fredrikson et al. 2015) without stops.

    Arguments and result are those of `Inversion`; the model and torch's global generator are left as they were.
    ART has that of `probability` or `logit` without smoothing and not scaled: ValueError for any other.
    """
    if attack.loss == "cross-entropy" or attack.smoothing or attack.scaled:
        raise ValueError(f"ART's MIFace follows the plain gradient of a probability or a logit, not that of {attack}")
    with eval_mode(model), torch.enable_grad(), torch.random.fork_rng(devices=[]):  # its data loader draws a seed
        face = MIFace(
            classifier_for(model, images, softmax=attack.loss == "probability"),
            max_iter=attack.steps,
            window_length=1,
            threshold=math.inf,
            learning_rate=float(attack.step),
            batch_size=len(images),
            verbose=False,
        )
        reached = face.infer(images.cpu().numpy(), y=labels.cpu().numpy())
    return torch.from_numpy(reached).to(images.device)


def learned_scores(model: nn.Module, members: Labelled, others: Labelled, asked: Labelled, *, seed: int) -> np.ndarray:
    """How sure ART's `MembershipInferenceBlackBox` is that each image asked about is a member, float64 [N] in [0, 1].

    It learns from the logits and labels of known `members` and `others`, none of which should be asked about, by
    gradient boosting of this seed. The model is left as it was.
    """
    (known, known_y), (unknown, unknown_y), (images, labels) = (_arrays(each) for each in (members, others, asked))
    with eval_mode(model), seeded_globals(seed):
        attack = MembershipInferenceBlackBox(classifier_for(model, asked[0]), attack_model_type="gb")
        attack.fit(known, known_y, unknown, unknown_y)
        scores: np.ndarray = attack.infer(images, labels, probabilities=True)
    return scores[:, 0]


def rule_says_member(model: nn.Module, asked: Labelled) -> np.ndarray:
    """bool [N]: ART's `MembershipInferenceBlackBoxRuleBased`, a member where the predicted class is the label."""
    images, labels = _arrays(asked)
    with eval_mode(model), seeded_globals(0):
        classifier = classifier_for(model, asked[0])
        one_hot = np.eye(classifier.nb_classes)[labels]
        found: np.ndarray = MembershipInferenceBlackBoxRuleBased(classifier).infer(images, one_hot)
    return found == 1


def art_losses(model: nn.Module, asked: Labelled) -> np.ndarray:
    """Float32 [N]: the cross entropy of each image by ART's classifier, which its attack on losses thresholds."""
    with eval_mode(model):
        found: np.ndarray = classifier_for(model, asked[0]).compute_loss(*_arrays(asked), reduction="none")
    return found


def _arrays(labelled: Labelled) -> tuple[np.ndarray, np.ndarray]:
    return labelled[0].numpy(), labelled[1].numpy()
