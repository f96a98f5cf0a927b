"""Our snooping detector in the place of ART's detectors of adversarial images."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import torch
from art.defences.detector.evasion import BinaryInputDetector

from mri_robust.adapters.art import as_art_classifier
from mri_robust.core.validation import check_number


class Scoring(Protocol):
    """What is asked of a detector: `mri_robust.defences.snooping.Snooper` is one."""

    model: Any
    threshold: float
    facts: dict[str, float]

    def score(self, images: np.ndarray, batch_size: int = 64) -> np.ndarray:
        """Suspicion of each image, float32 [N] in [0, 1]."""
        ...


class SnooperDetector(BinaryInputDetector):
    """ART's `BinaryInputDetector` that flags from the snooper's own threshold on, not from the likelier class.

    Attributes:
        snooper: the detector; it shares its model with `detector`, ART's classifier of `no_pattern` and `pattern`.
        threshold: least suspicious score, in [0, 1]; the snooper's, also through ART's `set_params(threshold=...)`.
    """

    defence_params = ["detector", "threshold"]  # noqa: RUF012 (ART's own convention)

    def __init__(self, snooper: Scoring, *, learning_rate: float = 1e-4) -> None:
        optimizer = torch.optim.Adam(snooper.model.parameters(), lr=learning_rate)
        super().__init__(as_art_classifier(snooper.model, optimizer=optimizer))
        self.snooper = snooper

    @property
    def threshold(self) -> float:
        """The snooper's threshold."""
        return self.snooper.threshold

    @threshold.setter
    def threshold(self, value: float) -> None:
        check_number("threshold", value, 0.0, 1.0)
        self.snooper.threshold = value

    def fit(self, x: np.ndarray, y: np.ndarray, batch_size: int = 128, nb_epochs: int = 20, **kwargs: Any) -> None:
        """Train the snooper's model through ART on labelled images, and set its threshold to .5.

        ART shuffles by torch's global generator. `Snooper.fit` draws fresh patterns and chooses a threshold instead.

        Args:
            x: float32 [N, C, S, S] in [0, 1].
            y: 1 for the images to flag and 0 for the others, [N], or one-hot [N, 2].
            batch_size: images a step.
            nb_epochs: passes over the images.
            kwargs: what ART's `PyTorchClassifier.fit` takes.
        """
        super().fit(x, y, batch_size=batch_size, nb_epochs=nb_epochs, **kwargs)
        self.snooper.model.eval()
        self.snooper.threshold, self.snooper.facts = 0.5, {}

    def detect(self, x: np.ndarray, batch_size: int = 128, **kwargs: Any) -> tuple[dict[str, Any], np.ndarray]:
        """Which images carry a pattern.

        Args:
            x: float32 (or uint8) [N, C, S, S], in [0, 1] (0 to 255).
            batch_size: images at once.
            kwargs: nothing; ART's signature has it.

        Returns:
            report and is_adversarial: `predictions`, the probabilities of both classes [N, 2], and the `threshold`;
            and bool [N], where the second probability reaches it.

        Raises:
            TypeError, ValueError: the images are not as said.
        """
        scores = self.snooper.score(x, batch_size)
        report = {"predictions": np.stack([1 - scores, scores], axis=1), "threshold": self.threshold}
        return report, scores >= self.threshold


def as_art_detector(snooper: Scoring, *, learning_rate: float = 1e-4) -> SnooperDetector:
    """A snooping detector as one of ART's evasion detectors: `fit(x, y)`, `detect(x) -> (report, is_adversarial)`.

    Args:
        snooper: a `Snooper`, trained or not; it is not copied.
        learning_rate: of Adam, when it is trained through ART.
    """
    return SnooperDetector(snooper, learning_rate=learning_rate)
