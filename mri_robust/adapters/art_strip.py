"""ART's STRIP: inputs whose predicted class does not move when they are blended with others carry a trigger.

What fails in ART 1.20.1 (Gao et al. 2019, arXiv 1902.06531), each seen in a run, and what is done about it here:

- Logits raise `The data contains non-finite values`; so do probabilities that are 0 in every blend: it gets a softmax,
  cut off far below what can be told apart.
- The entropy is taken along the blends, not along the classes (`axis=0`): the ups and downs of a hopeless class count
  as much as those of the predicted one, and a prediction that no blend moves at all, the trojan's mark, gives the
  highest value, where ART abstains from what is low. Both entropies are given here, of the same blends.
- It changes the class of the classifier it is given, cannot be applied to it again, and its `predict` takes no
  `batch_size` and raises before `mitigate`: it gets a classifier of its own.
- Blends come from numpy's global chance, which is seeded for the call and put back.
- Its `false_acceptance_rate` is the share of clean inputs that are refused; Gao et al. call it false rejection.
- It blends half and half, so that the trigger keeps half of its contrast: a backdoor that answers to the whole trigger
  alone passes (of the study's clean-label one no blend calls notumor; all do where the trigger keeps its strength).
"""

from __future__ import annotations

import io
from contextlib import redirect_stderr
from dataclasses import dataclass
from typing import Any

import numpy as np
from art.defences.transformer.poisoning import STRIP
from scipy.stats import entropy, norm
from torch import nn

from mri_robust.adapters.art import as_art_classifier
from mri_robust.core.rng import seeded_globals
from mri_robust.core.eval_mode import eval_mode
from mri_robust.core.validation import check_count, check_number
from mri_robust.core.rng import derive_seed

_LEAST = 1e-12
"""The least probability, because ART divides by the sum over the blends."""


@dataclass(frozen=True)
class StripFindings:
    """What STRIP says of N inputs.

    Attributes:
        abstained: bool [N], those that ART does not answer.
        over_blends: float64 [N], ART's entropy in bits, over the blends and summed over the classes.
        over_classes: float64 [N], Gao et al.'s entropy in bits of the predicted classes, mean over the blends.
        threshold: the `over_classes` under which an input is suspicious.
    """

    abstained: np.ndarray
    over_blends: np.ndarray
    over_classes: np.ndarray
    threshold: float

    @property
    def flagged(self) -> np.ndarray:
        """The inputs that Gao et al.'s entropy takes for triggered, bool [N]."""
        return self.over_classes < self.threshold


def strip(
    model: nn.Module,
    trusted: np.ndarray,
    images: np.ndarray,
    *,
    blends: int = 20,
    false_rejections: float = 0.05,
    seed: int = 0,
) -> StripFindings:
    """Blend every input half and half with trusted images, and see whether the prediction moves.

    Args:
        model: takes float32 images [N, C, S, S] in [0, 1] and states its classes; left as it was.
        trusted: float32 clean images, from which the blends and the threshold come.
        images: float32, the inputs.
        blends: images that each input is blended with.
        false_rejections: share of the trusted images, their entropies taken as normal, that the threshold refuses.
        seed: decides the blends.

    Raises:
        TypeError, ValueError: a number is out of range, or there are fewer than two trusted images.
    """
    check_count("blends", blends)
    check_number("false_rejections", false_rejections, 0.0, 1.0, open_low=True)
    if len(trusted) < 2:
        raise ValueError(f"STRIP needs two trusted images at least, got {len(trusted)}")
    classes = len(model.classes)  # type: ignore[arg-type]
    seen: list[np.ndarray] = []
    with eval_mode(model), seeded_globals(derive_seed(seed, "strip")):
        inner = as_art_classifier(
            nn.Sequential(model, nn.Softmax(1)), nb_classes=classes, input_shape=trusted.shape[1:]
        )
        predict = inner.predict
        art: Any = STRIP(inner)(num_samples=blends, false_acceptance_rate=false_rejections)

        def keep(batch: np.ndarray) -> np.ndarray:
            seen.append(np.maximum(predict(batch), _LEAST).astype(np.float64))
            return seen[-1]

        art.predict_fn = keep
        with redirect_stderr(io.StringIO()):  # its progress bar
            art.mitigate(trusted)
        answers = art.predict(images)
    # ART asked for each trusted image's blends, then for the inputs at once, then for each input's blends.
    over_classes = np.array([entropy(each, base=2, axis=1).mean() for each in seen])
    own = over_classes[: len(trusted)]
    inputs = seen[len(trusted) + 1 :]
    return StripFindings(
        abstained=~answers.any(axis=1),
        over_blends=np.array([entropy(each, base=2, axis=0).sum() / blends for each in inputs]),
        over_classes=over_classes[len(trusted) + 1 :],
        threshold=float(own.mean() + norm.ppf(false_rejections) * own.std()),
    )
