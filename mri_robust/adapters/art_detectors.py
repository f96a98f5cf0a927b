"""Detectors: ART's of poisoned training images and of triggered inputs, and our snooping detector as one of ART's.

What fails in ART 1.20.1, each seen in a run, and what is done about it here:

- All draw from NumPy's global generator: it is seeded for the call and put back.
- `get_activations` has one layer, its logits, for a model that is no `nn.Sequential`, and leaves a hook in the model:
  features come in as an array, and ART's classifier is a stand-in that hands them back.

`ActivationDefence` (Chen et al. 2018, arXiv 1811.03728): ART clusters, and `ANALYSES` decide here by ART's thresholds.
- `relative-size` raises where a class has no suspicious cluster, so always on clean data; `silhouette-scores` raises
  where a small cluster has a low score, and where it has a high one marks the other from memory never written.
- `distance` compares medians of classes whose PCAs were fitted apart. More than two clusters, a class of no images or
  of fewer than `nb_dims`, and `reduce="TSNE"` raise; so does `"FastICA"` on a trained CNN's features.
- `generator=` drops the last batch, and one that shuffles gives flags in another order than the images'.
- KMeans starts once: another seed may find other clusters. Where a class's natural spread is wider than what the
  trigger adds, it cuts along that and misses the poison, as spectral signatures do.

`SpectralSignatureDefense` (Tran et al. 2018, arXiv 1811.00636)
- ART centres features for the direction, not for the scores: they are centred before ART sees them.
- It flags `eps_multiplier * expected_pp_poison` of every class whatever it finds: one image of each at 0, all at 1.

`STRIP` (Gao et al. 2019, arXiv 1902.06531): an input whose prediction does not move when it is blended with others.
- Logits raise; so do probabilities that are 0 in every blend: it gets a softmax, cut off at 1e-12.
- The entropy is taken along the blends, not the classes: a prediction that no blend moves, the trojan's mark, gives
  the highest value, where ART abstains from what is low. Both entropies are given here.
- It changes its classifier's class, and its `predict` raises before `mitigate`: it gets a classifier of its own.
- Its `false_acceptance_rate` is the share of clean inputs that are refused; Gao et al. call it false rejection.
- It blends half and half: a backdoor that answers to the whole trigger alone passes, as the study's clean-label one.
"""

import io
from contextlib import redirect_stderr
from typing import Any, NamedTuple

import numpy as np
import torch
from art.defences.detector.evasion import BinaryInputDetector
from art.defences.detector.poison import ActivationDefence, SpectralSignatureDefense
from art.defences.transformer.poisoning import STRIP
from scipy.stats import entropy, norm
from sklearn.metrics import silhouette_score
from torch import nn

from mri_robust.adapters.art import as_art_classifier, classifier_for
from mri_robust.core.eval_mode import eval_mode
from mri_robust.core.rng import derive_seed, seeded_globals
from mri_robust.core.validation import check_choice, check_number

ANALYSES = ("smaller", "relative-size", "silhouette-scores")
"""Which of a class's two clusters is poison: the smaller; that if it holds under 35 %; that if both are also apart."""
SMALL, APART, DIMENSIONS = 0.35, 0.1, 10
"""ART's thresholds of size and silhouette, and its dimensions after PCA."""
FEWEST = 3
"""Images of a class that can be told into two clusters and scored."""
MULTIPLIER = 1.5
"""Spectral signatures flag as many times the share of a class that is expected poisoned, as Tran et al. do."""
BLENDS, FALSE_REJECTIONS = 20, 0.05
"""STRIP's images to blend each input with, and the share of trusted images, taken as normal, that it refuses."""


def activation_flags(
    features: np.ndarray, labels: np.ndarray, *, analysis: str = "smaller", seed: int = 0
) -> np.ndarray:
    """Images that activation clustering by one of `ANALYSES` takes for poison, bool [N]; `seed` is of PCA and KMeans.

    `features`, float [N, D], are the model's penultimate activations of its training images, `labels`, int [N], what
    they were trained as. ValueError for another analysis, or a class of fewer than three images.
    """
    check_choice("analysis", analysis, ANALYSES)
    classes, numbers = np.unique(labels, return_inverse=True)
    smallest = int(np.bincount(numbers).min())
    if smallest < FEWEST:
        raise ValueError(f"activation clustering needs {FEWEST} images of every class, got {smallest}")
    defence = ActivationDefence(_Reader(len(classes)), features, numbers)
    with seeded_globals(derive_seed(seed, "activation clustering")):
        clusters, reduced = defence.cluster_activations(nb_dims=min(DIMENSIONS, smallest))
    flagged = np.zeros(len(labels), dtype=bool)
    for number in range(len(classes)):
        flagged[numbers == number] = _suspicious(clusters[number], reduced[number], analysis)
    return flagged


def _suspicious(clusters: np.ndarray, reduced: np.ndarray, analysis: str) -> np.ndarray:
    small = clusters == np.bincount(clusters, minlength=2).argmin()
    if analysis == "smaller" or not small.any():
        return small
    apart = analysis == "relative-size" or round(float(silhouette_score(reduced, clusters)), 4) > APART
    return small if apart and round(float(small.mean()), 2) < SMALL else np.zeros_like(small)


def spectral_scores(features: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """How far out each image lies in its class, float64 [N] in (0, 1]: the share of the class that lies no further.

    It rises with the spectral signature |(R(x) - mean) . v|, v the first right singular vector of the class.
    """
    scores, centred = np.empty(len(labels)), _centred(features, labels)
    for name in np.unique(labels):
        members = labels == name
        outlying = SpectralSignatureDefense.spectral_signature_scores(centred[members])[:, 0]
        scores[members] = np.searchsorted(np.sort(outlying), outlying, side="right") / len(outlying)
    return scores


def spectral_flags(features: np.ndarray, labels: np.ndarray, *, expected: float = 0.1) -> np.ndarray:
    """Images that spectral signatures take for poison, bool [N]: of every class, the outermost.

    `expected` is the share of a class that is believed poisoned; `MULTIPLIER` times as much is flagged. ValueError
    unless it is in (0, .66], above which all would be. For `features` and `labels` see `activation_flags`.
    """
    check_number("expected", expected, 0.0, 0.66, open_low=True)
    classes, numbers = np.unique(labels, return_inverse=True)
    rates = {"expected_pp_poison": expected, "eps_multiplier": MULTIPLIER}
    defence = SpectralSignatureDefense(_Reader(len(classes)), _centred(features, labels), numbers, **rates)
    _, clean = defence.detect_poison()
    return np.array(clean) == 0


class _Reader:
    """A stand-in for ART's classifier, whose activations of features are those features."""

    layer_names = ("features",)

    def __init__(self, nb_classes: int) -> None:
        self.nb_classes = nb_classes

    def get_activations(self, x: np.ndarray, layer: int, batch_size: int) -> np.ndarray:
        return x


def _centred(features: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Features less the mean of their class."""
    centred = np.array(features, dtype=np.float64)
    for name in np.unique(labels):
        members = labels == name
        centred[members] -= centred[members].mean(0)
    return centred


class StripFindings(NamedTuple):
    """What STRIP says of N inputs; entropies, float64 [N], are in bits."""

    abstained: np.ndarray  # bool [N], those that ART does not answer
    over_blends: np.ndarray  # ART's entropy, over the blends and summed over the classes
    over_classes: np.ndarray  # Gao et al.'s entropy of the predicted classes, mean over the blends
    threshold: float  # the `over_classes` under which an input is suspicious

    @property
    def flagged(self) -> np.ndarray:
        """The inputs that Gao et al.'s entropy takes for triggered, bool [N]."""
        return self.over_classes < self.threshold


def strip(model: nn.Module, trusted: np.ndarray, images: np.ndarray, *, seed: int = 0) -> StripFindings:
    """Blend every input half and half with trusted images, and see whether the prediction moves.

    The blends, which `seed` decides, and the threshold come from the `trusted` clean images, at least two, else
    ValueError; these and the inputs are float32 [N, C, S, S] in [0, 1]. The model is left as it was.
    """
    if len(trusted) < 2:
        raise ValueError(f"STRIP needs two trusted images at least, got {len(trusted)}")
    seen: list[np.ndarray] = []
    with eval_mode(model), seeded_globals(derive_seed(seed, "strip")):
        inner = classifier_for(model, torch.from_numpy(trusted[:1]), softmax=True)
        predict = inner.predict
        art: Any = STRIP(inner)(num_samples=BLENDS, false_acceptance_rate=FALSE_REJECTIONS)

        def keep(batch: np.ndarray) -> np.ndarray:
            # Never 0: ART divides by the sum over the blends.
            seen.append(np.maximum(predict(batch), 1e-12).astype(np.float64))
            return seen[-1]

        art.predict_fn = keep
        with redirect_stderr(io.StringIO()):  # its progress bar
            art.mitigate(trusted)
        answers = art.predict(images)
    # ART asked for each trusted image's blends, then for the inputs at once, then for each input's blends.
    over_classes = np.array([entropy(each, base=2, axis=1).mean() for each in seen])
    own, first = over_classes[: len(trusted)], len(trusted) + 1
    return StripFindings(
        abstained=~answers.any(axis=1),
        over_blends=np.array([entropy(each, base=2, axis=0).sum() / BLENDS for each in seen[first:]]),
        over_classes=over_classes[first:],
        threshold=float(own.mean() + norm.ppf(FALSE_REJECTIONS) * own.std()),
    )


class SnooperDetector(BinaryInputDetector):
    """ART's `BinaryInputDetector` that flags from the `snooper`'s own threshold on, not from the likelier class.

    The `Snooper` shares its model with `detector`, ART's classifier of `no_pattern` and `pattern`, and its threshold,
    in [0, 1], with ART's `set_params(threshold=...)`.
    """

    defence_params = ["detector", "threshold"]  # noqa: RUF012 (ART's own convention)

    def __init__(self, snooper: Any, *, learning_rate: float = 1e-4) -> None:
        optimizer = torch.optim.Adam(snooper.model.parameters(), lr=learning_rate)
        super().__init__(as_art_classifier(snooper.model, optimizer=optimizer))
        self.snooper = snooper

    @property
    def threshold(self) -> float:
        """The snooper's threshold."""
        return float(self.snooper.threshold)

    @threshold.setter
    def threshold(self, value: float) -> None:
        check_number("threshold", value, 0.0, 1.0)
        self.snooper.threshold = value

    def fit(self, x: np.ndarray, y: np.ndarray, batch_size: int = 128, nb_epochs: int = 20, **kwargs: Any) -> None:
        """Train the snooper's model through ART's `PyTorchClassifier.fit`, and set its threshold to .5.

        ART shuffles by torch's global generator. `Snooper.fit` draws fresh patterns and chooses a threshold instead.
        Images are float32 [N, C, S, S] in [0, 1], labels 1 for those to flag and 0 for others, [N] or one-hot [N, 2].
        """
        super().fit(x, y, batch_size=batch_size, nb_epochs=nb_epochs, **kwargs)
        self.snooper.model.eval()
        self.snooper.threshold, self.snooper.facts = 0.5, {}

    def detect(self, x: np.ndarray, batch_size: int = 128, **kwargs: Any) -> tuple[dict[str, Any], np.ndarray]:
        """Which of the images [N, C, S, S], float32 in [0, 1] or uint8, carry a pattern.

        Returns a report (`predictions`, the probabilities of both classes [N, 2], and the `threshold`), and bool [N],
        where the second probability reaches it. TypeError or ValueError where the images are not as said.
        """
        scores = self.snooper.score(x, batch_size)
        report = {"predictions": np.stack([1 - scores, scores], axis=1), "threshold": self.threshold}
        return report, scores >= self.threshold


def as_art_detector(snooper: Any, *, learning_rate: float = 1e-4) -> SnooperDetector:
    """A `Snooper`, trained or not, as one of ART's evasion detectors: `fit(x, y)`, `detect(x) -> (report, flagged)`.

    It is not copied; `learning_rate` is that of Adam, when it is trained through ART.
    """
    return SnooperDetector(snooper, learning_rate=learning_rate)
