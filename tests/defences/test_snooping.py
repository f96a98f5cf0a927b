"""The snooping detector: what it is trained on, how its threshold is chosen, what it says."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score
from torch.nn.functional import avg_pool2d
from torchvision.transforms.functional import normalize
from toy_models import assert_unchanged, state_of, unsettle

from mri_robust.attacks.poisoning.backdoor import draw_half
from mri_robust.attacks.poisoning.patterns import Patterns
from mri_robust.core.errors import UserError
from mri_robust.defences.snooping import Snooper, stamped_half, threshold_for
from mri_robust.models.classifier import build_model
from mri_robust.training import FitSettings

SIDE = 16
PATTERNS = Patterns(("small",), canvas=SIDE)
LARGE = Patterns(("large",), ("square", "circle"), canvas=64)
SETTINGS = FitSettings(epochs=1, batch_size=8, precision="fp32")
BLACK = np.zeros((40, 1, SIDE, SIDE), np.uint8)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def scans(count: int, side: int = SIDE, seed: int = 0) -> np.ndarray:
    """Dark uint8 images with a little noise; the first pixel tells them apart."""
    images = np.random.default_rng(seed).integers(10, 30, (count, 1, side, side), dtype=np.uint8)
    images[:, 0, 0, 0] = np.arange(count) % 256
    return images


def small_snooper(seed: int = 0) -> Snooper:
    return Snooper.create(image_size=SIDE, architecture="cnn", seed=seed)


class Spy:
    """Stands in for the training loop, and keeps what it was given."""

    def __call__(self, model: Any, images: Any, labels: Any, **options: Any) -> list[Any]:
        self.images, self.labels, self.options = images, labels, options
        return []

    def epoch(self, seed: int) -> torch.Tensor:
        """All training images, black, as one epoch's stamping leaves them."""
        places = torch.arange(len(self.labels))
        return self.options["changes"].stamp(torch.zeros(len(places), 1, SIDE, SIDE), places, seeded(seed))


@pytest.fixture
def spy(monkeypatch: pytest.MonkeyPatch) -> Spy:
    monkeypatch.setattr("mri_robust.defences.snooping.fit", spy := Spy())
    return spy


def test_fresh_patterns_are_new_in_every_epoch_and_on_the_same_half(spy: Spy) -> None:
    small_snooper().fit(scans(40), patterns=PATTERNS, settings=SETTINGS)
    first, again, second = spy.epoch(1), spy.epoch(1), spy.epoch(2)
    assert spy.labels.sum() == 20
    for epoch in (first, second):
        assert (epoch.flatten(1).any(1).numpy() == (spy.labels == 1)).all()
    assert torch.equal(first, again)
    assert sum(torch.equal(first[place], second[place]) for place in np.flatnonzero(spy.labels)) <= 1


def test_pairs_differ_by_the_patterns_alone(spy: Spy) -> None:
    images = scans(40)
    small_snooper().fit(images, patterns=PATTERNS, settings=SETTINGS, show="pairs")
    assert (len(spy.labels), spy.options["changes"].stamp) == (40, None)
    batch = torch.from_numpy(images[:8]).float() / 255
    both, labels = spy.options["changes"].adversary(None, batch, torch.zeros(8, dtype=torch.int64), seeded())
    assert labels.tolist() == [0] * 8 + [1] * 8
    saved = (both[:8] != batch).flatten(1).any(1)
    assert 0 < saved.sum() < 8  # as JPEG
    assert (both[:8] - batch).abs().max() < 0.1
    assert (both[8:] != both[:8]).flatten(1).any(1).all()
    assert not torch.equal(both[8:], spy.options["changes"].adversary(None, batch, labels[:8], seeded(1))[0][8:])


def test_it_frames_the_place_of_greatest_score(monkeypatch: pytest.MonkeyPatch) -> None:
    snooper = Snooper.create(image_size=64)
    # Places that score their own brightness: the brightest is where the square is.
    monkeypatch.setattr(snooper.model.network, "places", lambda images: avg_pool2d(images.mean(1, keepdim=True), 4))
    images = torch.zeros(3, 1, 64, 64)
    for image, (top, left) in zip(images, ((0, 0), (32, 40), (60, 60)), strict=True):
        image[:, top : top + 4, left : left + 4] = 1
    assert snooper.where(images, batch_size=2).tolist() == [[0, 0, 34], [17, 25, 34], [30, 30, 34]]
    assert small_snooper().where(images) is None


@pytest.mark.parametrize("validation", [0.0, 0.25])
def test_fixed_patterns_go_by_the_index_in_every_epoch_and_in_the_test_set(spy: Spy, validation: float) -> None:
    small_snooper().fit(scans(40), patterns=PATTERNS, settings=SETTINGS, show="fixed", validation=validation)
    first, indices = spy.epoch(1), spy.images[:, 0, 0, 0].astype(int)
    assert torch.equal(first, spy.epoch(2))
    for seed in (0, 7):
        test, labels = stamped_half(BLACK, PATTERNS, seed=seed, fixed=True)
        fresh, _ = stamped_half(BLACK, PATTERNS, seed=seed)
        both = np.flatnonzero(spy.labels * labels[indices])
        assert len(both) >= 3
        assert torch.equal(first[both], test[indices[both]])
        assert sum(torch.equal(first[place], fresh[indices[place]]) for place in both) <= 1
    # The study trains on one to three outlines and tests on one: the first of them.
    one, three = (Patterns(("small",), most=most, canvas=SIDE) for most in (1, 3))
    assert one.draw(seeded())[0] == three.draw(seeded())[0]


def test_the_threshold_is_chosen_on_held_out_images_alone(spy: Spy, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[torch.Tensor] = []

    def by_brightness(self: Snooper, images: torch.Tensor) -> np.ndarray:
        shown.append(images)
        return images.flatten(1).mean(1).numpy() * 3

    monkeypatch.setattr(Snooper, "score", by_brightness)
    images, snooper = scans(200), small_snooper()
    snooper.fit(images, patterns=PATTERNS, settings=SETTINGS, validation=0.3, recall=0.8)
    held = shown[0]
    assert (len(held), len(spy.labels)) == (60, 140)
    originals = torch.from_numpy(images).float() / 255
    sources = [int((originals == image).flatten(1).sum(1).argmax()) for image in held]
    assert sorted([*sources, *spy.images[:, 0, 0, 0].tolist()]) == list(range(200))
    stamped, scores = (held != originals[sources]).flatten(1).any(1).numpy(), by_brightness(snooper, held)
    flagged = scores >= snooper.threshold
    rates = {"recall": flagged[stamped].sum() / 30, "false_positive_rate": flagged[~stamped].sum() / 30}
    assert snooper.facts == {"asked_recall": 0.8, **rates, "stamped": 30, "clean": 30}
    assert flagged[stamped].sum() == 24  # exactly .8 of 30
    higher = scores[stamped][scores[stamped] > snooper.threshold].min()
    assert (scores[stamped] >= higher).sum() < 24


def test_the_rate_falls_when_asked_and_without_validation_the_threshold_is_a_half(spy: Spy) -> None:
    snooper = Snooper(small_snooper().model, 0.9, {"recall": 1.0})
    snooper.fit(scans(10), patterns=PATTERNS, settings=SETTINGS)
    assert (snooper.threshold, snooper.facts, spy.options["scheduler"]) == (0.5, {}, None)
    snooper.fit(scans(10), patterns=PATTERNS, settings=SETTINGS, learning_rate=2e-3, anneal=True)
    assert spy.options["optimizer"].param_groups[0]["lr"] == 2e-3
    spy.options["optimizer"].step()
    spy.options["scheduler"].step()  # after one epoch of one
    assert spy.options["optimizer"].param_groups[0]["lr"] == pytest.approx(0.0, abs=1e-12)


@given(scores=st.lists(st.floats(0, 1, width=32), min_size=1, max_size=40), recall=st.floats(0, 1, exclude_min=True))
def test_the_threshold_reaches_the_recall_and_no_higher_score_does(scores: list[float], recall: float) -> None:
    array = np.array(scores, dtype=np.float32)
    threshold = threshold_for(array, recall)
    assert threshold_for(np.arange(1, 101) / 100, 0.07) == 0.94  # .07 * 100 is 7.000000000000001
    assert (array >= threshold).mean() >= recall
    higher = array[array > threshold]
    assert not len(higher) or (array >= higher.min()).mean() < recall


def test_the_seed_decides_the_half_and_the_patterns_and_the_images_are_kept() -> None:
    images = torch.rand(30, 1, SIDE, SIDE, generator=seeded(4))
    before = images.clone()
    (one, labels), (again, _), (other, _) = (stamped_half(images, PATTERNS, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
    assert torch.equal(images, before)
    assert torch.equal(one[labels == 0], images[labels == 0])
    assert not (draw_half(1000, 1) == draw_half(1000, 2)).all()
    assert draw_half(1311, 0).sum() == 655  # of the study's test images


def test_it_learns_to_tell_patterns_from_none_and_comes_back_from_its_file(tmp_path: Any) -> None:
    snooper = Snooper.create(image_size=32)
    how = {"settings": replace(SETTINGS, epochs=3), "learning_rate": 1e-3, "anneal": True, "validation": 0.25}
    snooper.fit(scans(64, 32), patterns=LARGE, **how)
    mixed, labels = stamped_half(scans(60, 32, seed=5), LARGE, seed=11)
    scores = snooper.score(mixed)
    assert roc_auc_score(labels, scores) > 0.9
    assert snooper.facts["recall"] >= 0.95
    assert snooper.facts["false_positive_rate"] < 0.5
    assert (snooper.predict(mixed) == (scores >= snooper.threshold)).all()
    snooper.save(tmp_path / "d.safetensors", data_digest="abc")
    again = Snooper.load(tmp_path / "d.safetensors")
    assert np.array_equal(again.score(mixed), scores)
    assert (again.threshold, again.facts) == (snooper.threshold, snooper.facts)
    assert again.model.description() == snooper.model.description()


def test_a_score_is_the_softmax_of_the_second_class_and_leaves_the_model_alone() -> None:
    snooper, images = small_snooper(), scans(11)
    with torch.no_grad():
        logits = snooper.model(torch.from_numpy(images).float() / 255)
    expected = torch.exp(logits[:, 1]) / torch.exp(logits).sum(1)
    unsettle(snooper.model)
    before = state_of(snooper.model)
    for given_images in (images, torch.from_numpy(images), torch.from_numpy(images).float() / 255):
        scores = snooper.score(given_images, batch_size=4)
        np.testing.assert_allclose(scores, expected.numpy(), atol=1e-6)
        assert scores.dtype == np.float32
    assert_unchanged(snooper.model, before)


def test_the_seed_decides_the_first_weights_and_it_normalises_as_imagenet_does() -> None:
    one, again, other = (small_snooper(seed).model.network[0].weight for seed in (1, 1, 2))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
    snooper, image = small_snooper(), torch.rand(1, 3, SIDE, SIDE, generator=seeded())
    normalised = normalize(image, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    with torch.no_grad():
        assert torch.allclose(snooper.model(image), snooper.model.network(normalised), atol=1e-5)
        next(snooper.model.parameters()).fill_(torch.nan)
    with pytest.raises(UserError, match="train it again"):
        snooper.score(scans(3))


def test_wrong_values_models_images_and_thresholds_are_refused() -> None:
    snooper, how = small_snooper(), {"patterns": PATTERNS, "settings": SETTINGS}
    for refused, named in (
        (lambda: snooper.fit(scans(10), validation=1.0, **how), "validation"),
        (lambda: snooper.fit(scans(10), recall=0.0, **how), "recall"),
        (lambda: snooper.fit(scans(10), validation=0.05, **how), "10 images"),
        (lambda: snooper.fit(scans(1), **how), "1 images"),
        (lambda: Snooper(build_model("cnn", classes=("no", "yes"), image_size=SIDE)), "no_pattern"),
        (lambda: Snooper(small_snooper().model, 1.5), "threshold"),
        (lambda: small_snooper().score(np.zeros((2, 1, 8, 8), np.uint8)), "16x16"),
        (lambda: small_snooper().score(torch.full((2, 1, SIDE, SIDE), 2.0)), "images"),
    ):
        with pytest.raises(ValueError, match=named):
            refused()
