"""The snooper in code that is written for ART's detectors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from art.attacks.evasion import FastGradientMethod
from art.defences.detector.evasion import BinaryInputDetector
from art.defences.detector.evasion.evasion_detector import EvasionDetector
from toy_models import assert_unchanged, state_of, unsettle

from mri_robust import Creeper, Snooper, as_art_classifier, as_art_detector

SIDE = 16


def scans(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0.0, 0.3, (count, 1, SIDE, SIDE)).astype(np.float32)


def snooper() -> Snooper:
    """Untrained, with scores that lie apart on both sides of .5."""
    made = Snooper.create(image_size=SIDE, architecture="cnn", seed=1)
    last = made.model.network[-1]
    with torch.no_grad():
        last.weight.mul_(20)
        last.bias -= made.model(torch.from_numpy(scans(40))).mean(0)
    return made


def flagged_by_both(images: np.ndarray, made: Snooper) -> tuple[dict[str, Any], np.ndarray, dict[str, Any], np.ndarray]:
    """Ours, and ART's own detector around the same model."""
    theirs = BinaryInputDetector(as_art_classifier(made.model))
    return *as_art_detector(made).detect(images), *theirs.detect(images)


def test_at_one_half_it_flags_what_arts_own_detector_flags_with_the_same_model() -> None:
    images = scans(40)
    report, flagged, their_report, their_flagged = flagged_by_both(images, snooper())
    assert 0 < their_flagged.sum() < 40
    np.testing.assert_array_equal(flagged, their_flagged)
    assert flagged.dtype == bool
    odds = np.exp(their_report["predictions"])
    np.testing.assert_allclose(report["predictions"], odds / odds.sum(1, keepdims=True), rtol=0, atol=1e-5)


def test_its_threshold_is_the_snoopers_and_arts_set_params_moves_it() -> None:
    images, made = scans(40), snooper()
    detector = as_art_detector(made)
    scores = np.sort(made.score(images))
    made.threshold = float(scores[-5])
    report, flagged = detector.detect(images)
    assert flagged.sum() == 5
    assert report["threshold"] == detector.get_params()["threshold"] == made.threshold
    detector.set_params(threshold=float(scores[-11]))
    assert detector.detect(images)[1].sum() == 11
    with pytest.raises(ValueError, match="threshold"):
        detector.set_params(threshold=1.5)


def test_the_size_of_a_batch_changes_nothing_and_the_model_is_given_back() -> None:
    made = snooper()
    unsettle(made.model)
    before = state_of(made.model)
    detector = as_art_detector(made)
    report, _ = detector.detect(scans(9))
    small, _ = detector.detect(scans(9), batch_size=2)
    assert_unchanged(made.model, before)
    np.testing.assert_allclose(small["predictions"], report["predictions"], rtol=0, atol=1e-6)


def test_a_loop_over_arts_detectors_trains_and_asks_it_like_the_others() -> None:
    """Stamped and clean images, as ART's notebooks mix adversarial and clean ones."""
    clean, fresh = scans(48), scans(24, seed=9)
    creeper = Creeper(value=1.0)
    x, y = np.concatenate([clean, creeper(clean)]), np.repeat([0, 1], 48)
    made, other = snooper(), snooper()
    made.facts = {"recall": 0.0}
    optimizer = torch.optim.Adam(other.model.parameters(), lr=1e-3)
    detectors: list[EvasionDetector] = [
        BinaryInputDetector(as_art_classifier(other.model, optimizer=optimizer)),
        as_art_detector(made, learning_rate=1e-3),
    ]
    for detector in detectors:
        torch.manual_seed(0)
        detector.fit(x, y, batch_size=16, nb_epochs=4)
        assert detector.detect(creeper(fresh))[1].mean() > 0.9
        assert detector.detect(fresh)[1].mean() < 0.1
    assert (made.threshold, made.facts) == (0.5, {})
    assert not made.model.training
    for mine, theirs in zip(made.model.parameters(), other.model.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-4)


def test_arts_attacks_reach_the_snooper_through_its_classifier() -> None:
    detector, images = as_art_detector(snooper()), scans(40)
    before = detector.detect(images)[0]["predictions"][:, 1]
    away = np.zeros(40, dtype=np.int64)
    attack = FastGradientMethod(detector.detector, eps=0.05, targeted=True)
    assert (detector.detect(attack.generate(images, y=away))[0]["predictions"][:, 1] <= before).mean() > 0.9


@pytest.mark.parametrize(("bad", "error"), [(scans(2).astype(np.float64), TypeError), (scans(2) - 1, ValueError)])
def test_images_that_are_no_pixels_in_0_to_1_are_refused(bad: np.ndarray, error: type[Exception]) -> None:
    with pytest.raises(error, match="images must"):
        as_art_detector(snooper()).detect(bad)
