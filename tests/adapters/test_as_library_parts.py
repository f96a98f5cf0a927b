"""Our models inside ART and torchattacks, with those libraries' own attacks."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
import torch
from art.attacks.evasion import BasicIterativeMethod, FastGradientMethod, ProjectedGradientDescent
from toy_models import Nameless, assert_unchanged, dyadic_images, own_labels, small_net, state_of, unsettle

from mri_robust.adapters.art import as_art_classifier
from mri_robust.adapters.torchattacks import as_torchattack
from mri_robust.attacks.evasion.fgsm import FGSM

IMAGES = dyadic_images(24)
LABELS = own_labels(small_net(), IMAGES)


def accuracy(images: torch.Tensor) -> float:
    return float((own_labels(small_net(), images) == LABELS).float().mean())


def test_the_art_classifier_knows_the_model() -> None:
    classifier = as_art_classifier(small_net())
    assert classifier.nb_classes == 4
    assert classifier.input_shape == (1, 8, 8)
    assert tuple(classifier.clip_values) == (0.0, 1.0)
    with torch.no_grad():
        logits = small_net()(IMAGES).numpy()
    np.testing.assert_allclose(classifier.predict(IMAGES.numpy()), logits, rtol=0, atol=1e-6)


def test_channels_decide_the_input_shape() -> None:
    model = small_net()
    model.channels = "rgb"
    assert as_art_classifier(model).input_shape == (3, 8, 8)


@pytest.mark.parametrize(
    ("attack", "parameters"),
    [
        (FastGradientMethod, {}),
        (BasicIterativeMethod, {"eps_step": 0.02, "max_iter": 5}),
        (ProjectedGradientDescent, {"eps_step": 0.02, "max_iter": 5, "num_random_init": 1}),
    ],
)
def test_art_attacks_run_on_it(attack: type, parameters: dict[str, Any]) -> None:
    parameters = {"eps": 0.1, "verbose": False, **parameters} if attack is not FastGradientMethod else {"eps": 0.1}
    crafted = attack(as_art_classifier(small_net()), **parameters).generate(IMAGES.numpy(), y=LABELS.numpy())
    assert np.abs(crafted - IMAGES.numpy()).max() <= 0.1 + 1e-6
    assert 0 <= crafted.min() <= crafted.max() <= 1
    assert accuracy(torch.from_numpy(crafted)) < 0.7
    if attack is FastGradientMethod:
        np.testing.assert_array_equal(crafted, FGSM(0.1)(small_net(), IMAGES, LABELS).numpy())


def test_art_trains_through_it() -> None:
    model = small_net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    before = model.head.weight.detach().clone()
    as_art_classifier(model, optimizer=optimizer).fit(IMAGES.numpy(), LABELS.numpy(), batch_size=8, nb_epochs=1)
    assert not torch.equal(model.head.weight, before)


def test_a_foreign_model_must_be_described() -> None:
    foreign = Nameless(small_net())
    with pytest.raises(ValueError, match="nb_classes"):
        as_art_classifier(foreign, input_shape=(1, 8, 8))
    with pytest.raises(ValueError, match="input_shape"):
        as_art_classifier(foreign, nb_classes=4)
    classifier = as_art_classifier(foreign, nb_classes=4, input_shape=(1, 8, 8))
    assert classifier.predict(IMAGES.numpy()).shape == (24, 4)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("FGSM", {}),
        ("PGD", {"alpha": 0.02, "steps": 4}),
        ("APGD", {"steps": 4}),
        ("APGDT", {"steps": 4}),
        ("Square", {"n_queries": 20}),
    ],
)
def test_torchattacks_run_and_give_the_model_back(name: str, parameters: dict[str, Any]) -> None:
    """APGDT tries every other class while an image stands: with 10 classes assumed it would fail here."""
    model = unsettle(small_net())
    before = state_of(model)
    attack = as_torchattack(name, model, eps=0.05, **parameters)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        crafted = attack(IMAGES, LABELS)
    assert_unchanged(model, before)
    assert (crafted - IMAGES).abs().max() <= 0.05 + 1e-6
    assert 0 <= crafted.min() <= crafted.max() <= 1
    assert accuracy(crafted) < 1
    if name == "FGSM":
        assert torch.equal(crafted, FGSM(0.05)(small_net(), IMAGES, LABELS))


def test_apgdt_goes_through_all_wrong_classes_of_a_survivor() -> None:
    attack = as_torchattack("APGDT", small_net(), eps=1e-6, steps=2)
    assert attack.n_target_classes == 3
    assert accuracy(attack(IMAGES, LABELS)) == 1


def test_the_class_count_can_be_given() -> None:
    foreign = Nameless(small_net())
    crafted = as_torchattack("APGDT", foreign, eps=1e-6, steps=2, n_classes=4)(IMAGES, LABELS)
    assert accuracy(crafted) == 1


@pytest.mark.parametrize("name", ["PDG", "attack", "wrappers", "__doc__", "LGV_"])
def test_an_unknown_torchattack(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        as_torchattack(name, small_net())


def test_an_unknown_parameter_of_a_torchattack() -> None:
    with pytest.raises(ValueError, match=r"PGD takes no epsilon, iterations"):
        as_torchattack("PGD", small_net(), epsilon=0.1, iterations=3, alpha=0.1)
