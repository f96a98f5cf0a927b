"""ART's detectors of poisoned training images: ActivationDefence and SpectralSignatureDefense.

What fails in ART 1.20.1, each seen in a run, and what is done about it here:

Both
- `get_activations` has one layer for a model that is no `nn.Sequential`, its logits, and leaves a hook in the model:
  features come in as an array, and ART's classifier is a stand-in that hands them back.
- Chance is numpy's global one (KMeans, randomised PCA): it is seeded for the call, then put back.

`ActivationDefence` (Chen et al. 2018, arXiv 1811.03728)
- `cluster_analysis="relative-size"` raises `ValueError: The truth value of an empty array is ambiguous` as soon as one
  class has no suspicious cluster, so always on clean data.
- `"silhouette-scores"` raises `IndexError: arrays used as indices must be of integer type` where a small cluster has a
  low score; where it has a high one, the images of the other cluster are marked from memory that was never written.
- `"distance"` compares medians of classes whose PCAs were fitted apart, in other coordinates: refused.
- `reduce="TSNE"` passes the check and raises when used; `"FastICA"` raises `array must not contain infs or NaNs` on
  features of a trained CNN. More than two clusters raise under `relative-size` and `silhouette-scores`.
- KMeans starts once, so that another seed may find other clusters; and where the natural spread of a class is wider
  than what the trigger adds, it cuts along that, with spectral signatures, and both miss the poison.
- A class without images, or with fewer than `nb_dims`, raises in PCA: the dimensions follow the smallest class.
- `generator=` drops the last batch, and a loader that shuffles gives back flags in another order than the images';
  `ex_re_threshold` trains a model; `relabel_poison_*` need TensorFlow. None is offered.
- So ART clusters, and `ANALYSES` decide here, by ART's own thresholds.

`SpectralSignatureDefense` (Tran et al. 2018, arXiv 1811.00636)
- Algorithm 1 takes the features less their mean; ART centres them for the direction, not for the scores, so that a
  constant added to the features changes who is flagged: features are centred before ART sees them.
- It flags `eps_multiplier * expected_pp_poison` of every class whatever it finds: one image of each at 0, all at 1.
"""

from __future__ import annotations

import numpy as np
from art.defences.detector.poison import ActivationDefence, SpectralSignatureDefense
from sklearn.metrics import silhouette_score

from mri_robust.core.rng import seeded_globals
from mri_robust.core.validation import check_choice, check_number
from mri_robust.core.rng import derive_seed

ANALYSES = ("smaller", "relative-size", "silhouette-scores")
"""Which of a class's two clusters is poison: the smaller; that if it holds under 35 %; that if both are also apart."""
SMALL, APART, DIMENSIONS = 0.35, 0.1, 10
"""ART's thresholds of size and silhouette, and its dimensions after PCA."""
FEWEST = 3
"""Images of a class that can be told into two clusters and scored."""


def activation_flags(
    features: np.ndarray, labels: np.ndarray, *, analysis: str = "smaller", seed: int = 0
) -> np.ndarray:
    """Images that activation clustering takes for poison, bool [N].

    Args:
        features: float [N, D], the model's penultimate activations of its training images.
        labels: int [N], what they were trained as.
        analysis: one of `ANALYSES`.
        seed: decides PCA and KMeans.

    Raises:
        ValueError: another analysis, or a class of fewer than three images.
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

    It grows with the spectral signature |(R(x) - mean) . v|, v the first right singular vector of the class.
    """
    scores = np.empty(len(labels))
    centred = _centred(features, labels)
    for name in np.unique(labels):
        members = labels == name
        outlying = SpectralSignatureDefense.spectral_signature_scores(centred[members])[:, 0]
        scores[members] = np.searchsorted(np.sort(outlying), outlying, side="right") / len(outlying)
    return scores


def spectral_flags(
    features: np.ndarray, labels: np.ndarray, *, expected: float = 0.1, multiplier: float = 1.5
) -> np.ndarray:
    """Images that spectral signatures take for poison, bool [N]: of every class, the outermost.

    Args:
        features, labels: see `activation_flags`.
        expected: the share of a class that is believed poisoned, above 0.
        multiplier: how many times that share is flagged; Tran et al. take 1.5.

    Raises:
        ValueError: expected * multiplier is not in (0, 1), or a number is out of range.
    """
    check_number("expected", expected, 0.0, 1.0, open_low=True)
    check_number("multiplier", multiplier, 0.0, open_low=True)
    if expected * multiplier >= 1:
        raise ValueError(f"expected * multiplier must be under 1, or all is flagged, got {expected * multiplier:g}")
    classes, numbers = np.unique(labels, return_inverse=True)
    defence = SpectralSignatureDefense(
        _Reader(len(classes)),
        _centred(features, labels),
        numbers,
        expected_pp_poison=expected,
        eps_multiplier=multiplier,
    )
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
