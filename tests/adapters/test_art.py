"""Our models, triggers and snooping detector inside ART, with ART's own attacks and detectors."""

from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from art.attacks.evasion import BoundaryAttack, FastGradientMethod, HopSkipJump, ProjectedGradientDescent
from art.attacks.poisoning import PoisoningAttackBackdoor
from art.defences.detector.evasion import BinaryInputDetector
from art.defences.preprocessor import JpegCompression, SpatialSmoothing
from torch import Tensor
from toy_models import Nameless, assert_unchanged, dyadic_images, own_labels, seeded, small_net, state_of, unsettle

from mri_robust import Creeper, Snooper, as_art_classifier, as_art_detector
from mri_robust.adapters.art import as_art_backdoor, classifier_for, stamp
from mri_robust.attacks.poisoning.backdoor import Backdoor
from mri_robust.core.rng import seeded_globals

IMAGES = dyadic_images(24)
LABELS = own_labels(small_net(), IMAGES)
BYTES = np.random.default_rng(0).integers(0, 256, (24, 3, 12, 10)).astype(np.uint8)
CLASSES, NOTUMOR, SIDE = np.array([0, 1, 2, 3] * 6), 2, 16


def test_the_classifier_knows_the_model_or_is_told() -> None:
    model = small_net()
    with torch.no_grad():
        logits = model(IMAGES).numpy()
    told = as_art_classifier(Nameless(model), nb_classes=4, input_shape=(1, 8, 8))
    softmax = classifier_for(Nameless(model), IMAGES, softmax=True)
    for classifier in (as_art_classifier(model), told, classifier_for(Nameless(model), IMAGES)):
        assert (classifier.nb_classes, classifier.input_shape) == (4, (1, 8, 8))
        assert tuple(classifier.clip_values) == (0.0, 1.0)
        np.testing.assert_allclose(classifier.predict(IMAGES.numpy()), logits, rtol=0, atol=1e-6)
    np.testing.assert_allclose(softmax.predict(IMAGES.numpy()).sum(1), np.ones(24), atol=1e-6)
    model.channels = "rgb"
    assert as_art_classifier(model).input_shape == (3, 8, 8)
    for given, word in (({"input_shape": (1, 8, 8)}, "nb_classes"), ({"nb_classes": 4}, "input_shape")):
        with pytest.raises(ValueError, match=word):
            as_art_classifier(Nameless(model), **given)  # type: ignore[arg-type]


def test_art_attacks_run_on_it() -> None:
    classifier, short = as_art_classifier(small_net()), {"eps": 0.1, "eps_step": 0.02, "max_iter": 5, "verbose": False}
    for attack in (FastGradientMethod(classifier, eps=0.1), ProjectedGradientDescent(classifier, **short)):
        crafted = attack.generate(IMAGES.numpy(), y=LABELS.numpy())
        assert np.abs(crafted - IMAGES.numpy()).max() <= 0.1 + 1e-6
        assert 0 <= crafted.min() <= crafted.max() <= 1
        assert (own_labels(small_net(), torch.from_numpy(crafted)) == LABELS).float().mean() < 0.7


@pytest.mark.parametrize("attack", [HopSkipJump, BoundaryAttack, ProjectedGradientDescent])
@pytest.mark.parametrize("defence", [None, SpatialSmoothing, partial(JpegCompression, (0, 1))])
def test_float64_images_and_options_of_arts_classifier_are_taken(attack: Any, defence: Any) -> None:
    """What its black-box attacks and preprocessors hand over; the model answers as about the same in float32."""
    model, defend = small_net(), defence and defence(channels_first=True)
    classifier = as_art_classifier(model, preprocessing_defences=defend, optimizer=torch.optim.SGD(model.parameters()))
    seen = IMAGES.numpy() if defend is None else defend(IMAGES.numpy())[0]
    with torch.no_grad():
        logits = model(torch.from_numpy(seen).float()).numpy()
    np.testing.assert_allclose(classifier.predict(IMAGES.double().numpy()), logits, rtol=0, atol=1e-5)
    gradients = classifier.loss_gradient(IMAGES.double().numpy(), np.eye(4)[LABELS])
    assert gradients.any()
    few = {"max_iter": 1, "verbose": False, "init_size": 9, "max_eval": 9, "init_eval": 3, "num_trial": 2, "eps": 0.1}
    few |= {"targeted": False, "delta": 0.01} if attack is BoundaryAttack else {}
    with seeded_globals(0):
        crafted = attack(classifier, **{key: few[key] for key in attack.attack_params if key in few})
        found = crafted.generate(IMAGES[:3].double().numpy())
    assert np.isfinite(found).all()
    assert 0 <= found.min() <= found.max() <= 1
    with pytest.raises(TypeError, match="depth"):
        as_art_classifier(model, depth=3)


class Noise:
    """A random trigger: the whole image becomes noise from the generator."""

    def __call__(self, images: Any, generator: torch.Generator | None = None) -> Any:
        noise = torch.rand(images.shape, generator=generator)
        return noise if isinstance(images, Tensor) else noise.numpy()


@pytest.mark.parametrize("relabel", [False, True], ids=["clean-label", "badnets"])
@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64"])
@pytest.mark.parametrize("make", [np.asarray, torch.from_numpy], ids=["array", "tensor"])
def test_the_poisoned_training_set_is_bit_identical_by_hand_and_by_art(relabel: bool, dtype: str, make: Any) -> None:
    attack = Backdoor(NOTUMOR, (0, 1, 3), share=0.5, relabel=True) if relabel else Backdoor(NOTUMOR, (NOTUMOR,))
    images = BYTES if dtype == "uint8" else (BYTES / 255).astype(dtype)
    ours = attack.poison(make(images.copy()), CLASSES, seeded())
    places = attack.choose(CLASSES, seeded())
    by_hand, by_art, labels, art_labels = images.copy(), images.copy(), CLASSES.copy(), CLASSES.copy()
    for place in places:
        by_hand[place] = Creeper()(torch.from_numpy(images[place])).numpy()
        labels[place] = NOTUMOR
    by_art[places], art_labels[places] = as_art_backdoor(Creeper()).poison(images[places], y=labels[places])
    assert np.array_equal(ours.places, places)
    for other in (by_hand, by_art):
        assert other.dtype == images.dtype
        assert np.array_equal(np.asarray(ours.images), other)
    assert np.array_equal(ours.labels, labels)
    assert np.array_equal(ours.labels, art_labels)
    assert (by_hand != images).any()


def test_stamping_goes_through_arts_own_attack(monkeypatch: pytest.MonkeyPatch) -> None:
    stamped, labels = as_art_backdoor(Creeper()).poison(BYTES, y=np.eye(4)[NOTUMOR], broadcast=True)
    assert np.array_equal(stamped, Creeper()(BYTES))
    assert np.array_equal(labels, np.tile(np.eye(4)[NOTUMOR], (24, 1)))
    poison, seen, images = PoisoningAttackBackdoor.poison, [], torch.from_numpy(BYTES).float() / 255
    before = images.clone()
    monkeypatch.setattr(
        PoisoningAttackBackdoor, "poison", lambda self, x, **options: seen.append(x.shape) or poison(self, x, **options)
    )
    assert torch.equal(stamp(Creeper(), images), Creeper()(images))
    assert torch.equal(images, before)
    Backdoor(NOTUMOR, (NOTUMOR,)).poison(BYTES, CLASSES, seeded())
    assert seen == [(24, 3, 12, 10), (6, 3, 12, 10)]


def test_a_random_trigger_draws_from_the_generator_given_and_may_refuse() -> None:
    images = torch.zeros(2, 3, 12, 10)
    assert torch.equal(stamp(Noise(), images, generator=seeded()), torch.rand(images.shape, generator=seeded()))
    attack, floats = Backdoor(NOTUMOR, (NOTUMOR,), trigger=Noise()), (BYTES / 255).astype(np.float32)
    one, same = (attack.poison(floats, CLASSES, seeded()).images for _ in range(2))
    assert np.array_equal(one, same)
    for bad in (torch.zeros(1, 1, 7, 7), torch.zeros(0, 1, 8, 8)):
        with pytest.raises(ValueError, match="at least"):
            stamp(Creeper(), bad)


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


def test_the_snooper_flags_what_arts_detector_flags_and_has_a_threshold_besides() -> None:
    images, made = scans(40), snooper()
    detector, scores = as_art_detector(made), np.sort(made.score(images))
    report, flagged = detector.detect(images)
    their_report, their_flagged = BinaryInputDetector(as_art_classifier(made.model)).detect(images)
    assert 0 < their_flagged.sum() < 40
    np.testing.assert_array_equal(flagged, their_flagged)
    odds = np.exp(their_report["predictions"])
    np.testing.assert_allclose(report["predictions"], odds / odds.sum(1, keepdims=True), rtol=0, atol=1e-5)
    made.threshold = float(scores[-5])
    report, flagged = detector.detect(images)
    assert flagged.sum() == 5
    assert report["threshold"] == detector.get_params()["threshold"] == made.threshold
    detector.set_params(threshold=float(scores[-11]))
    assert detector.detect(images)[1].sum() == 11
    with pytest.raises(ValueError, match="threshold"):
        detector.set_params(threshold=1.5)


def test_the_size_of_a_batch_changes_nothing_and_the_snoopers_model_is_given_back() -> None:
    made = snooper()
    before, detector = state_of(unsettle(made.model)), as_art_detector(made)
    whole, parts = (detector.detect(scans(9), batch_size=size)[0]["predictions"] for size in (128, 2))
    assert_unchanged(made.model, before)
    np.testing.assert_allclose(whole, parts, rtol=0, atol=1e-6)
    with pytest.raises(ValueError, match="images"):
        detector.detect(scans(2) - 1)


def test_a_loop_over_arts_detectors_trains_and_asks_it_like_the_others() -> None:
    """Stamped and clean images, as ART's notebooks mix adversarial and clean ones."""
    clean, fresh, creeper = scans(48), scans(24, seed=9), Creeper(value=1.0)
    x, y = np.concatenate([clean, creeper(clean)]), np.repeat([0, 1], 48)
    made, other = snooper(), snooper()
    made.facts = {"recall": 0.0}
    theirs = as_art_classifier(other.model, optimizer=torch.optim.Adam(other.model.parameters(), lr=1e-3))
    for detector in (BinaryInputDetector(theirs), as_art_detector(made, learning_rate=1e-3)):
        torch.manual_seed(0)
        detector.fit(x, y, batch_size=16, nb_epochs=4)
        assert detector.detect(creeper(fresh))[1].mean() > 0.9
        assert detector.detect(fresh)[1].mean() < 0.1
    assert (made.threshold, made.facts, made.model.training) == (0.5, {}, False)
    for name, mine in made.model.named_parameters():
        torch.testing.assert_close(mine, other.model.get_parameter(name), rtol=0, atol=1e-4)
