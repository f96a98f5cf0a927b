"""ART's model extraction, Knockoff Nets and Copycat CNN, and defences that change what the victim answers.

What ART 1.20.1 does, each seen in a run, and what is done about it here:

- Both attacks ask a single query unless told: `nb_stolen` is the number of images given.
- With random sampling both are the same code. As in their papers Knockoff Nets learns here from probabilities
  (`use_probability`), Copycat CNN from labels.
- `use_probability` takes what the classifier gives, logits too, for the labels to learn: the victim answers
  probabilities.
- `ClassLabels` marks in every row each class that occurs anywhere in the batch, so that a thief who takes the greatest
  always reads class 0, and the defence looks perfect: see `TopOne`.
- Which queries are asked in which order comes from NumPy's and torch's global generators: they are seeded for the call.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from art.attacks.extraction import CopycatCNN, KnockoffNets
from art.defences.postprocessor import ClassLabels, Postprocessor, Rounded
from torch import Tensor, nn

from mri_robust.adapters.art import as_art_classifier
from mri_robust.core.rng import seeded_globals
from mri_robust.core.eval_mode import eval_mode
from mri_robust.core.validation import class_count

QUERY_BATCH = 64
"""Images that the victim answers at a time."""


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

    Args:
        attack: an `Extraction`; with `labels_only` ART's `CopycatCNN`, else its `KnockoffNets`.
        victim: takes float32 images [N, C, S, S] in [0, 1], gives logits [N, K]; left as it was.
        thief: of the same inputs and outputs, on the victim's device; left in train mode.
        queries: float32 [B, C, S, S], each asked once.
        defence: one of `DEFENCES`, or empty for none.
        seed: decides the order of the queries and of the training batches.

    Returns:
        The queries in the order asked, and the answers [B, K] that the thief learned from, both on the CPU.
    """
    classes, shape = class_count(victim, queries), (queries.shape[1], queries.shape[2], queries.shape[3])
    with eval_mode(victim), torch.enable_grad(), seeded_globals(seed):
        asked = as_art_classifier(nn.Sequential(victim, nn.Softmax(1)), nb_classes=classes, input_shape=shape)
        if defence:
            asked.set_params(postprocessing_defences=DEFENCES[defence]())
        optimizer = attack.optimizer(thief, len(queries))
        learner = as_art_classifier(thief, nb_classes=classes, input_shape=shape, optimizer=optimizer)
        extraction = (_Copycat if attack.labels_only else _Knockoff)(
            asked,
            batch_size_fit=attack.batch_size,
            batch_size_query=QUERY_BATCH,
            nb_epochs=attack.epochs(len(queries)),
            nb_stolen=len(queries),
            use_probability=not attack.labels_only,
        )
        extraction.extract(queries.numpy(), thieved_classifier=learner)
    return torch.from_numpy(extraction.queries), torch.from_numpy(extraction.answers)


class _Remembering:
    """Keeps what was asked and answered."""

    queries: np.ndarray
    answers: np.ndarray

    def _query_label(self, x: np.ndarray) -> np.ndarray:
        self.queries, self.answers = x, super()._query_label(x)  # type: ignore[misc]
        return self.answers


class _Copycat(_Remembering, CopycatCNN):
    pass


class _Knockoff(_Remembering, KnockoffNets):
    pass
