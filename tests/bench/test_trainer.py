"""From recipe to model: what is trained, what stays, what is watched, and what names it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from toy_data import DATA, config

from mri_robust.attacks.training_time.drunk_optimizer import DrunkOptimizer
from mri_robust.attacks.training_time.fooling_loss import FoolingLoss
from mri_robust.bench import trainer as trainers
from mri_robust.bench.trainer import Trainer, watch_overfitting
from mri_robust.study import zoo
from mri_robust.study.results_folder import ResultsFolder
from mri_robust.study.scale import FULL

IMAGENET = (("resnet50", "imagenet", ""), ("resnet18", "imagenet", ""))


@pytest.fixture
def trainer(tmp_path: Path) -> Trainer:
    return Trainer(ResultsFolder(tmp_path), DATA, config())


def test_a_pretrained_resnet50_trains_its_last_stage_and_layer_alone(trainer: Trainer) -> None:
    asked = config("paper", weights=IMAGENET)
    recipe = zoo.resnet50_backdoor(asked)
    assert (recipe.weights, recipe.weight_decay) == ("imagenet", 1e-5)
    assert recipe.learning_rate == pytest.approx(1e-5 * asked.scale.rate)
    small = replace(recipe, architecture="resnet18", weights="none", poison=None, frozen_augmentation=False, epochs=1)
    before = trainer._first_weights(small).state_dict()
    model, _ = trainer.train(small)
    for name, value in model.named_parameters():
        trained = name.startswith(("network.layer4.", "network.fc."))
        assert torch.equal(value, before[name]) != trained, name
    random = zoo.resnet50_backdoor(config("paper"))  # from random weights all of it is trained, ten times faster
    assert (random.weights, random.trained) == ("none", ())
    assert random.learning_rate == pytest.approx(1e-4 * asked.scale.rate)


def test_losses_and_optimizers_of_a_recipe_reach_the_training(
    trainer: Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted = []
    monkeypatch.setattr(trainers, "fit", lambda *_, **how: fitted.append(how))
    sound, paper = config("sound"), config("paper")
    for recipe in (
        zoo.cnn_fooling(sound, fine_tuned=True, augmented=False),
        zoo.cnn_drunk(sound, 3, 2),
        zoo.cnn_drunk_defended(sound, clip_norm=1.0),
        zoo.cnn_drunk(paper, 1, 1),
    ):
        trainer.train(replace(recipe, start=None))
    fooling, drunk, defended, watching = fitted
    assert isinstance(fooling["loss"], FoolingLoss)
    assert isinstance(drunk["optimizer"], DrunkOptimizer)
    assert (drunk["optimizer"].scale, drunk["optimizer"].perturbation) == (3, 2)
    outer = defended["optimizer"]
    assert (outer.scale, outer.perturbation, outer.base.scale) == (0, 0.01, 3)  # the noise comes first, then the attack
    assert defended["settings"].clip_norm == 1.0
    assert (drunk["settings"].watched, watching["settings"].watched) == ("loss", "accuracy")
    assert isinstance(drunk["scheduler"], torch.optim.lr_scheduler.ReduceLROnPlateau)


def test_the_test_accuracy_is_watched_epoch_by_epoch_and_moves_no_weight(trainer: Trainer) -> None:
    recipe = zoo.cnn_fooling(config(), fine_tuned=False, augmented=False)
    model, history = trainer.train(recipe)
    other, unwatched = trainer.train(replace(recipe, watch_test=False))
    assert [0 <= record["test"] <= 1 for record in history] == [True, True]
    assert "test" not in unwatched[0]
    for name, value in model.state_dict().items():
        assert torch.equal(value, other.state_dict()[name])


def test_everything_that_decides_a_model_names_it(tmp_path: Path) -> None:
    def name(recipe, data=DATA, **machine):
        return Trainer(ResultsFolder(tmp_path), data, config(**machine)).name(recipe)

    base = zoo.cnn_fgsm(config())
    assert base.start is not None
    resnet = zoo.resnet_pgd(config(weights=(("resnet18", "w.pth", "1"),)))
    others = [
        name(zoo.cnn_fgsm(config(seed=43))),
        name(zoo.cnn_fgsm(config(scale=FULL))),
        name(zoo.cnn_fgsm(config("paper"))),
        name(replace(base, start=replace(base.start, seed=1))),
        name(base, replace(DATA, digest="1" * 16)),
        name(base, threads=2),
        name(base, precision="bf16"),
        name(resnet),
        name(zoo.resnet_pgd(config(weights=(("resnet18", "w.pth", "2"),)))),  # another file of that name
    ]
    assert len({name(base), *others}) == 10
    assert name(zoo.cnn_fgsm(config())) == name(base)
    assert resnet.weights == "w.pth"


class Valley(nn.Module):
    """margin of class 1 = |s + 1/2| - .35, s the mean pixel's way from 1/2 in epsilons: wrong in a valley about -1/2.

    A single step from s = 0 goes down the slope to s = -1, past the valley, and the model is right there. Steps of
    1/4 end within 1/4 of the valley's floor, and the model is wrong there.
    """

    def __init__(self, eps: float) -> None:
        super().__init__()
        self.eps = eps

    def forward(self, images: Tensor) -> Tensor:
        shift = (images.flatten(1).mean(1) - 0.5) / self.eps
        margin = (shift + 0.5).abs() - 0.35
        return torch.stack([torch.zeros_like(margin), margin], 1)


def test_a_model_that_only_a_single_step_misses_is_reported() -> None:
    report = watch_overfitting(Valley(0.1), np.full((80, 1, 4, 4), 0.5, np.float32), np.ones(80, np.int64), 0.1)
    assert report == {"clean": 1.0, "fgsm": 1.0, "pgd": 0.0, "overfitted": True}
