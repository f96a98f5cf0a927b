"""From recipe to model: what is trained, what stays, what is attacked, what is watched."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from test_fault_switches import COUNT, CPU, DATA, SIDE, fitted, maker, setting  # noqa: F401

from mri_robust.attacks.training_time.drunk_optimizer import DrunkOptimizer
from mri_robust.attacks.training_time.fooling_loss import FoolingLoss
from mri_robust.defences.augmentation import Augmentation
from mri_robust.defences.snooping import Snooper
from mri_robust.evaluation.poisoned_training import augment_once
from mri_robust.zoo import cnn_drunk, cnn_drunk_defended, cnn_fooling, resnet18_snoop, resnet50_backdoor


def with_imagenet(protocol: str):
    return replace(setting(protocol), weights={"resnet50": ("imagenet", ""), "resnet18": ("imagenet", "")})


def test_a_pretrained_resnet50_trains_its_last_stage_and_layer_alone() -> None:
    recipe = resnet50_backdoor.recipe(with_imagenet("paper"))
    assert (recipe.weights, recipe.weight_decay) == ("imagenet", 1e-5)
    assert recipe.learning_rate == pytest.approx(1e-5 * setting("paper").scale.rate)
    small = replace(recipe, architecture="resnet18", weights="none", poison=None, frozen_augmentation=False, epochs=1)
    made = maker()
    before = made._first_weights(small).state_dict()
    model, _ = made.make(small)
    for name, value in model.named_parameters():
        trained = name.startswith(("network.layer4.", "network.fc."))
        assert torch.equal(value.cpu(), before[name].cpu()) != trained, name


def test_a_resnet50_from_random_weights_trains_all_of_it_ten_times_faster() -> None:
    recipe = resnet50_backdoor.recipe(setting("paper"))
    assert (recipe.weights, recipe.trained) == ("none", ())
    assert recipe.learning_rate == pytest.approx(1e-4 * setting("paper").scale.rate)


def test_losses_and_optimizers_of_a_recipe_reach_the_training(fitted) -> None:  # noqa: F811
    made = maker()
    made.make(replace(cnn_fooling.recipe(setting("sound"), fine_tuned=True, augmented=False), start=None))
    made.make(replace(cnn_drunk.recipe(setting("sound"), 3, 2), start=None))
    made.make(replace(cnn_drunk_defended.recipe(setting("sound"), clip_norm=1.0), start=None))
    fooling, drunk, defended = fitted
    assert isinstance(fooling["loss"], FoolingLoss)
    assert isinstance(drunk["optimizer"], DrunkOptimizer)
    assert (drunk["optimizer"].scale, drunk["optimizer"].perturbation) == (3, 2)
    outer = defended["optimizer"]
    assert (outer.scale, outer.perturbation, outer.base.scale) == (0, 0.01, 3)  # the noise comes first, then the attack
    assert defended["settings"].clip_norm == 1.0
    assert drunk["settings"].watched == "loss"
    made.make(replace(cnn_drunk.recipe(setting("paper"), 1, 1), start=None))
    assert fitted[-1]["settings"].watched == "accuracy"
    assert isinstance(drunk["scheduler"], torch.optim.lr_scheduler.ReduceLROnPlateau)


def test_the_test_accuracy_is_watched_epoch_by_epoch_and_moves_no_weight() -> None:
    recipe = replace(cnn_fooling.recipe(setting("sound"), fine_tuned=False, augmented=False), epochs=2)
    model, history = maker().make(recipe)
    silent, unwatched = maker().make(replace(recipe, watch_test=False))
    assert [0 <= record["test"] <= 1 for record in history] == [True, True]
    assert "test" not in unwatched[0]
    for name, value in model.state_dict().items():
        assert torch.equal(value, silent.state_dict()[name])


def test_images_augmented_once_are_changed_and_stay_bytes() -> None:
    images = np.random.default_rng(0).integers(0, 255, (6, 1, SIDE, SIDE), dtype=np.uint8)
    flipped = augment_once(Augmentation(horizontal_flip=1.0), images, seed=0)
    assert flipped.dtype == np.uint8
    assert np.array_equal(flipped, images[..., ::-1])


def test_a_snooping_recipe_makes_a_detector_with_a_threshold_of_its_own() -> None:
    sound, _ = maker().make(resnet18_snoop.recipe(setting("sound"), ("small",)))
    paper, _ = maker().make(resnet18_snoop.recipe(setting("paper"), ("small",)))
    assert isinstance(sound, Snooper)
    assert sound.facts["recall"] >= 0.95
    assert (paper.threshold, paper.facts) == (0.5, {})
