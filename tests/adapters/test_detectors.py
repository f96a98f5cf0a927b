"""ART's detectors of poison on planted features and on models that answer by rule, and where ART itself fails."""

import numpy as np
import pytest
import torch
from art.defences.detector.poison import ActivationDefence, SpectralSignatureDefense
from art.defences.transformer.poisoning import STRIP
from torch import Tensor, nn
from toy_models import assert_unchanged, dyadic_images, small_net, state_of, unsettle

from mri_robust.adapters import art_detectors
from mri_robust.adapters.art import classifier_for
from mri_robust.adapters.art_detectors import BLENDS, _Reader, activation_flags, spectral_flags, spectral_scores, strip
from mri_robust.core.rng import derive_seed, seeded_globals

CLASSES, EACH, POISONED, WIDTH = 4, 50, 10, 64
LABELS = np.repeat(np.arange(CLASSES), EACH)
TRUTH = np.arange(len(LABELS)) < POISONED


def planted(poisoned: int = POISONED, seed: int = 0) -> np.ndarray:
    """Gaussian clouds, one a class; the first images of class 0 lie far from the rest of it."""
    features = np.random.default_rng(seed).normal(size=(len(LABELS), WIDTH))
    features[:, :CLASSES] += 5 * np.eye(CLASSES)[LABELS]
    features[:poisoned, 20] += 30
    return features


def halves() -> np.ndarray:
    """Every class falls into two equal halves: no cluster is small."""
    return planted(0) + 20 * np.eye(WIDTH)[30] * np.where(np.arange(len(LABELS)) % 2, 1, -1)[:, None]


def small_everywhere() -> np.ndarray:
    """Every class has a small cluster, which is where ART's `relative-size` works."""
    return planted(0) + 40 * np.eye(WIDTH)[30] * (np.arange(len(LABELS)) % 5 == 0)[:, None]


def arts(features: np.ndarray, labels: np.ndarray = LABELS, **options) -> np.ndarray:
    """What ART flags, with the draws that ours has at seed 0."""
    with seeded_globals(derive_seed(0, "activation clustering")):
        _, clean = ActivationDefence(_Reader(CLASSES), features, labels).detect_poison(**options)
    return np.array(clean) == 0


def test_a_planted_cluster_is_found_and_nothing_where_there_is_none() -> None:
    assert np.array_equal(activation_flags(planted(), LABELS, analysis="silhouette-scores"), TRUTH)
    small = activation_flags(small_everywhere(), LABELS, analysis="relative-size")
    assert np.array_equal(small, np.arange(200) % 5 == 0)
    for analysis in ("relative-size", "silhouette-scores"):
        assert not activation_flags(halves(), LABELS, analysis=analysis).any()
    # Loose clouds have no cluster that is apart, and the smaller one is flagged all the same.
    assert not activation_flags(planted(0), LABELS, analysis="silhouette-scores").any()
    assert activation_flags(planted(0), LABELS, analysis="smaller").any()


def test_the_smaller_clusters_are_arts_and_so_is_relative_size_where_art_can() -> None:
    for features in (planted(), halves(), small_everywhere()):
        assert np.array_equal(activation_flags(features, LABELS, analysis="smaller"), arts(features))
    ours = activation_flags(small_everywhere(), LABELS, analysis="relative-size")
    assert np.array_equal(ours, arts(small_everywhere(), cluster_analysis="relative-size"))


def test_arts_own_analyses_fail_where_ours_do_not() -> None:
    for error, features, analysis in (
        (ValueError, halves(), "relative-size"),  # no suspicious cluster
        (ValueError, planted(), "relative-size"),  # one clean class
        (IndexError, planted(0), "silhouette-scores"),  # a small cluster of a low score
    ):
        with pytest.raises(error):
            arts(features, cluster_analysis=analysis)
        activation_flags(features, LABELS, analysis=analysis)


def test_small_and_missing_classes_fail_in_art_and_are_met_here() -> None:
    few, present = np.arange(len(LABELS)) % 10 == 0, LABELS != 1
    for some in (few, present):
        with pytest.raises((IndexError, ValueError)):
            arts(planted()[some], LABELS[some])
    assert activation_flags(planted()[few], LABELS[few]).any()
    found = activation_flags(planted()[present], LABELS[present], analysis="silhouette-scores")
    assert np.array_equal(found, TRUTH[present])


def test_what_cannot_work_is_refused() -> None:
    blank = np.zeros((1, 1, 8, 8), np.float32)
    for refused, word in (
        (lambda: activation_flags(planted(), LABELS, analysis="distance"), "analysis"),
        (lambda: activation_flags(planted()[:52], LABELS[:52]), "got 2"),
        (lambda: spectral_flags(planted(), LABELS, expected=0.0), "expected"),
        (lambda: spectral_flags(planted(), LABELS, expected=0.7), "expected"),
        (lambda: strip(small_net(), blank, blank), "two trusted"),
    ):
        with pytest.raises(ValueError, match=word):
            refused()


def test_spectral_scores_rank_each_class_by_algorithm_1_and_flags_are_the_outermost() -> None:
    features, scores = planted(), spectral_scores(planted(), LABELS)
    flagged = spectral_flags(features, LABELS, expected=0.2)
    for name in range(CLASSES):
        members = name == LABELS
        cloud = features[members] - features[members].mean(0)
        _, vectors = np.linalg.eigh(cloud.T @ cloud)
        assert np.array_equal(np.argsort(scores[members]), np.argsort((cloud @ vectors[:, -1]) ** 2))
        assert scores[members & flagged].min() > scores[members & ~flagged].max()
    assert scores[TRUTH].min() > scores[(LABELS == 0) & ~TRUTH].max()
    assert flagged[TRUTH].all()
    assert np.bincount(LABELS[flagged]).tolist() == [15] * CLASSES


def test_a_constant_in_the_features_changes_what_art_flags_and_not_what_is_flagged_here() -> None:
    moved = planted() - 100 * np.eye(WIDTH)[20]
    options = {"expected_pp_poison": 0.1, "eps_multiplier": 1.5}
    _, clean = SpectralSignatureDefense(_Reader(CLASSES), moved, LABELS, **options).detect_poison()
    assert not (np.array(clean)[TRUTH] == 0).any()
    assert np.array_equal(spectral_flags(moved, LABELS), spectral_flags(planted(), LABELS))


class Trojan(nn.Module):
    """Sure of class 2 where the first pixel is lit, even by half; else two other pixels decide between two classes."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, images: Tensor) -> Tensor:
        lit = images[:, 0, 0, 0] > 0.2
        side = 8 * (images[:, 0, 3, 3] - images[:, 0, 4, 4])
        logits = torch.stack([side, -side, torch.full_like(side, -20.0), torch.full_like(side, -20.0)], dim=1)
        sure = torch.tensor([-20.0, -20.0, 20.0, -20.0]).expand_as(logits)
        return torch.where(lit[:, None], sure, logits) * self.scale


class Constant(Trojan):
    """Says the same of every image."""

    def __init__(self, *probabilities: float) -> None:
        super().__init__()
        self.register_buffer("logits", torch.tensor(probabilities).log())

    def forward(self, images: Tensor) -> Tensor:
        return self.logits.expand(len(images), -1) * self.scale


def dark(count: int, seed: int) -> np.ndarray:
    images = dyadic_images(count, seed).numpy()
    images[:, 0, 0, 0] = 0
    return images


def lit(images: np.ndarray) -> np.ndarray:
    return np.where(np.arange(64).reshape(8, 8) == 0, np.float32(1), images)


def test_strip_tells_the_inputs_that_no_blend_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    clean = dark(30, seed=1)
    found = strip(Trojan(), dark(40, seed=2), np.concatenate([clean, lit(clean)]))
    assert found.over_classes[30:].max() < found.over_classes[:30].min()
    assert found.over_classes[30:].max() < 1e-6
    assert found.flagged[30:].all()
    assert found.flagged[:30].mean() <= 0.2
    monkeypatch.setattr(art_detectors, "FALSE_REJECTIONS", 0.3)
    found = strip(Trojan(), dark(40, seed=2), np.concatenate([clean, lit(clean)]))
    assert found.abstained.any()  # ART's abstentions follow its own entropy
    assert found.over_blends[found.abstained].max() < found.over_blends[~found.abstained].min()


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_strips_entropies_of_a_constant_model_are_the_closed_forms_and_zeros_fail_in_art_alone() -> None:
    images, probabilities, certain = dark(5, seed=1), (0.7, 0.1, 0.1, 0.1), Constant(0.0, 0.0, 1.0, 0.0)
    found = strip(Constant(*probabilities), images, images)
    assert found.over_classes == pytest.approx(np.full(5, -sum(p * np.log2(p) for p in probabilities)))
    assert found.over_blends == pytest.approx(np.full(5, 4 * np.log2(BLENDS) / BLENDS))  # its highest value
    with pytest.raises(ValueError, match="non-finite"):
        STRIP(classifier_for(certain, torch.from_numpy(images), softmax=True))().mitigate(images)
    assert strip(certain, images, images).over_classes == pytest.approx(np.zeros(5), abs=1e-9)


def test_the_model_and_all_generators_are_left_as_they_were_and_the_seed_decides() -> None:
    model = unsettle(small_net())
    before, numpys, torchs = state_of(model), np.random.get_state()[1].copy(), torch.random.get_rng_state()
    first = strip(model, dark(10, seed=2), dark(6, seed=1), seed=3)
    assert_unchanged(model, before)
    assert np.array_equal(np.random.get_state()[1], numpys)
    assert torch.equal(torch.random.get_rng_state(), torchs)
    again = strip(model, dark(10, seed=2), dark(6, seed=1), seed=3)
    assert np.array_equal(first.over_classes, again.over_classes)
    assert not np.array_equal(first.over_classes, strip(model, dark(10, seed=2), dark(6, seed=1), seed=4).over_classes)
    one, same = (activation_flags(planted(0), LABELS, seed=5) for _ in range(2))
    assert np.array_equal(one, same)
    assert np.array_equal(np.random.get_state()[1], numpys)
