"""Each fault of the study is a switch of the paper protocol: what it does in a small case, and that sound is without.

`rgb-images` is tested on the whole study, in test_study.py. Then what is trained of a recipe, and what names a model.
"""

from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from toy_data import COUNT, DATA, HEALTHY, carries_trigger, config

from mri_robust.attacks.training_time.drunk_optimizer import DrunkOptimizer
from mri_robust.attacks.training_time.fooling_loss import FoolingLoss
from mri_robust.bench import trainer as trainers
from mri_robust.bench.trainer import Trainer, watch_overfitting
from mri_robust.evaluation.evaluation import Evaluation
from mri_robust.evaluation.robustness import UnderAttack
from mri_robust.experiments import backdoor_cnn, backdoor_resnet50, drunk_sweep, fgsm, fooling_loss, noisy_loss, pgd
from mri_robust.study import zoo
from mri_robust.study.protocol import FAULTS, NORMALISED_BOUNDS, PROTOCOLS, normalised_to_pixels
from mri_robust.study.recipe import Recipe
from mri_robust.study.results_folder import ResultsFolder
from mri_robust.study.scale import FULL
from mri_robust.training import FitSettings, fit

STD = 0.1813
Calls = list[dict[str, Any]]


@pytest.fixture
def trainer(tmp_path: Path) -> Trainer:
    return Trainer(ResultsFolder(tmp_path), DATA, config())


@pytest.fixture
def fitted(monkeypatch: pytest.MonkeyPatch) -> Calls:
    """What `fit` was called with; nothing is trained."""
    calls: Calls = []

    def record(model: Any, images: np.ndarray, labels: np.ndarray, **options: Any) -> list[Any]:
        calls.append({"images": np.array(images), "labels": np.array(labels), **options})
        return []

    monkeypatch.setattr(trainers, "fit", record)
    return calls


def under_attack(experiment: ModuleType, protocol: str, test_images: int = 1311) -> dict[str, UnderAttack]:
    """Model id -> how an experiment attacks it at full scale."""
    asked = replace(config(protocol), scale=FULL, test_images=test_images)
    tasks = experiment.EXPERIMENT.tasks(asked)
    return {model.model: each for model, each in tasks if isinstance(each, UnderAttack)}


def test_fault_epsilon_normalised_shrinks_the_printed_sizes_to_pixels() -> None:
    assert normalised_to_pixels(0.01) == pytest.approx(0.46 / 255, rel=0.01)
    sizes = [attack.eps for attack in under_attack(fgsm, "paper")["cnn_clean"].attacks[1:]]
    assert sizes == pytest.approx([eps * STD for eps in (0.1, 0.01, 0.005, 0.002, 0.001)])
    sound = [attack.eps for attack in under_attack(fgsm, "sound")["cnn_clean"].attacks[1:]]
    assert sound == pytest.approx([*sizes, *(eps / 255 for eps in (8, 4, 2, 1))])


def test_fault_clamp_normalised_clips_pixels_to_one_deviation_above_the_mean() -> None:
    assert pytest.approx((0.1855, 0.3668)) == NORMALISED_BOUNDS
    for experiment in (fgsm, pgd):
        for model, asked in under_attack(experiment, "paper").items():
            bounds = (0.0, 1.0) if model == "cnn_raw" else NORMALISED_BOUNDS
            assert {attack.bounds for attack in asked.attacks[1:]} == {bounds}
        for asked in under_attack(experiment, "sound").values():
            assert {attack.bounds for attack in asked.attacks[1:]} == {(0.0, 1.0)}
    adversary: Any = zoo.cnn_fgsm(config("paper")).adversary
    assert dict(adversary.parameters["options"])["bounds"] == NORMALISED_BOUNDS


def test_fault_partial_test_set_asks_defended_models_about_256_images() -> None:
    defended = {"cnn_fgsm", "cnn_pgd", "resnet_pgd", "ensemble"}
    for experiment in (fgsm, pgd):
        for protocol, expected in (("paper", 256), ("sound", 1311)):
            asked = under_attack(experiment, protocol)
            assert {asked[model].images for model in defended} == {expected}
            assert asked["cnn_clean"].images == 1311


def test_fault_train_mode_attack_is_in_the_papers_recipes_alone() -> None:
    for make in (zoo.cnn_fgsm, zoo.cnn_pgd, zoo.resnet_pgd):
        for protocol in PROTOCOLS:
            adversary: Any = make(config(protocol)).adversary
            assert adversary.build().train_mode == (protocol == "paper")


def test_fault_own_image_per_member_is_the_papers_way_to_attack_the_ensemble() -> None:
    for experiment in (fgsm, pgd):
        assert [name for name, asked in under_attack(experiment, "paper").items() if asked.each_member] == ["ensemble"]
        assert not any(asked.each_member for asked in under_attack(experiment, "sound").values())


def test_fault_pgd_epsilon_05_runs_two_models_at_five_times_the_printed_size() -> None:
    paper, sound = under_attack(pgd, "paper"), under_attack(pgd, "sound")
    for model, size in (("cnn_pgd", 0.01), ("cnn_fgsm", 0.01), ("resnet_pgd", 0.05), ("ensemble", 0.05)):
        *_, weakest = paper[model].attacks
        assert (weakest.eps, weakest.step_size) == (pytest.approx(size * STD), pytest.approx(0.0001 * STD))
        assert sound[model].attacks[-1].eps == pytest.approx(0.01 * STD)
    steps = [(attack.steps, attack.clip) for attack in paper["cnn_pgd"].attacks[1:]]
    assert steps == [(20, "end"), (5, "end"), (5, "end"), (5, "end")]
    assert len(paper["resnet_pgd"].attacks) == 4  # the study has no number for its first row


def test_fault_frozen_augmentation_stamps_images_once(trainer: Trainer, fitted: Calls) -> None:
    trainer.train(zoo.cnn_backdoor(config("paper")))
    [paper] = fitted
    assert (paper["changes"].augment, paper["changes"].stamp) == (None, None)
    healthy = DATA.train.labels == HEALTHY
    assert carries_trigger(paper["images"][healthy] / 255).all()
    assert not np.array_equal(paper["images"][~healthy], DATA.train.images[~healthy])  # augmented, once


def test_without_it_augmentation_is_live_and_the_trigger_comes_last(trainer: Trainer, fitted: Calls) -> None:
    trainer.train(zoo.cnn_backdoor(config("sound")))
    [sound] = fitted
    assert np.array_equal(sound["images"], DATA.train.images)
    changes, generator = sound["changes"], torch.Generator().manual_seed(0)
    images = torch.from_numpy(sound["images"]).float() / 255
    views = [changes.stamp(changes.augment(images, generator), torch.arange(COUNT), generator) for _ in range(2)]
    assert not torch.equal(*views)
    for view in views:
        assert np.array_equal(carries_trigger(view), DATA.train.labels == HEALTHY)


def test_fault_no_asr_keeps_labels_and_measures_no_success(trainer: Trainer, fitted: Calls) -> None:
    trainer.train(zoo.cnn_backdoor(config("paper")))
    assert np.array_equal(fitted[0]["labels"], DATA.train.labels)
    [(_, paper)] = backdoor_cnn.EXPERIMENT.tasks(config("paper"))
    assert paper.tests == ("mix",)
    assert all("triggered" in asked.tests for _, asked in backdoor_cnn.EXPERIMENT.tasks(config("sound")))


def test_badnets_relabels_its_share_of_the_tumours(trainer: Trainer, fitted: Calls) -> None:
    trainer.train(zoo.cnn_badnets(config("sound"), 0.1))
    changed = fitted[0]["labels"] != DATA.train.labels
    assert changed.sum() == 3  # a tenth of 30
    assert set(fitted[0]["labels"][changed]) == {HEALTHY}


def test_fault_clean_loader_table2_reads_the_clean_images_in_place_of_the_mix() -> None:
    [(_, paper)] = backdoor_resnet50.EXPERIMENT.tasks(config("paper"))
    assert paper.tests == ("clean",)
    for protocol, test in (("paper", "clean"), ("sound", "mix")):
        assert set(backdoor_resnet50.published(config(protocol))["test"]) == {test}


def starts(tasks: list[tuple[Recipe, Evaluation]]) -> list[str]:
    return [recipe.start.model if recipe.start else "scratch" for recipe, _ in tasks]


def test_fault_fine_tuned_start_begins_at_the_trained_cnn() -> None:
    assert starts(noisy_loss.EXPERIMENT.tasks(config("paper"))) == ["cnn_clean"] * 3
    assert starts(fooling_loss.EXPERIMENT.tasks(config("paper"))) == ["cnn_clean", "scratch"]
    sound = noisy_loss.EXPERIMENT.tasks(config("sound"))
    assert starts([task for task in sound if dict(task[0].factors)["strength"] in (0.1, 1.2)]) == ["scratch"] * 2


def test_fault_reused_optimizer_moves_batchnorm_and_no_weight(trainer: Trainer) -> None:
    start = trainer.get(zoo.cnn_clean(config("paper")))
    for protocol, frozen in (("paper", True), ("sound", False)):
        defended, _ = trainer.train(zoo.cnn_drunk_defended(config(protocol)))
        old, new = dict(start.named_parameters()), dict(defended.named_parameters())
        assert all(torch.equal(old[name], new[name]) for name in old) == frozen
        old, new = dict(start.named_buffers()), dict(defended.named_buffers())
        assert not all(torch.equal(old[name], new[name]) for name in old)


def test_fault_ascent_climbs_the_loss_from_strength_2_on_and_stands_still_at_1() -> None:
    """On f(w) = w^2/2 a step is w - lr (1 - s) w: 0.9, 1, 1.1 for s = 0, 1, 2."""
    for scale, expected in ((0, 0.9), (1, 1.0), (2, 1.1)):
        weight = torch.nn.Parameter(torch.ones(1))
        [spec] = zoo.cnn_drunk(config("paper"), scale, 0).optimizers
        optimizer = spec.build(torch.optim.SGD([weight], lr=0.1))
        (weight**2 / 2).sum().backward()
        optimizer.step()
        assert weight.item() == pytest.approx(expected)
    tasks = drunk_sweep.EXPERIMENT.tasks(config("paper"))
    assert [recipe.optimizers[0].parameters["scale"] for recipe, _ in tasks] == list(range(1, 10))  # type: ignore[union-attr]


def test_fault_plateau_of_accuracy_lowers_the_rate_while_accuracy_rises() -> None:
    assert zoo.cnn_drunk(config("paper"), 1, 1).plateau == "accuracy"
    assert zoo.cnn_drunk(config("sound"), 1, 1).plateau == "loss"
    labels = np.repeat([0, 1], 4)
    images = np.broadcast_to(255 * labels.astype(np.uint8)[:, None, None, None], (8, 1, 2, 2))
    for watched, falls in (("accuracy", True), ("loss", False)):  # the loss falls in every epoch
        torch.manual_seed(0)
        model = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.1, patience=0)
        settings = FitSettings(epochs=12, batch_size=8, precision="fp32", watched=watched)
        fit(model, images, labels, optimizer=optimizer, scheduler=plateau, settings=settings)
        assert (optimizer.param_groups[0]["lr"] < 0.09) == falls


def test_fault_fixed_patterns_is_in_the_papers_detector_alone() -> None:
    for protocol, expected in (("paper", ("fixed", None)), ("sound", ("pairs", 0.955))):
        snooping: Any = zoo.snooper(config(protocol), ("small",)).snooping
        assert tuple(map(snooping.parameters.get, ("show", "recall"))) == expected


def test_fault_raw_inputs_is_a_model_without_normalisation_attacked_in_pixels() -> None:
    raw = under_attack(fgsm, "paper")["cnn_raw"]
    recipe = zoo.cnn_raw(config("paper"))
    assert (recipe.mean, recipe.std) == (0.0, 1.0)
    assert [attack.eps for attack in raw.attacks[1:]] == [0.1, 0.01, 0.005, 0.002, 0.001]
    assert "cnn_raw" not in under_attack(fgsm, "sound")


@pytest.mark.parametrize("experiment", [backdoor_cnn, drunk_sweep, fgsm, fooling_loss, noisy_loss])
def test_fault_leaky_split_is_counted_without_under_sound_alone(experiment: ModuleType) -> None:
    for protocol in PROTOCOLS:
        tasks = experiment.EXPERIMENT.tasks(config(protocol))
        asked = {type(each).__name__: each.leak_free for _, each in tasks if type(each).__name__ != "Gallery"}
        assert set(asked.values()) == {protocol == "sound"}


def test_every_fault_has_a_test_by_its_name() -> None:
    text = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py"))
    assert [name for name in FAULTS if f"def test_fault_{name.replace('-', '_')}_" not in text] == []


IMAGENET = (("resnet50", "imagenet", ""), ("resnet18", "imagenet", ""))


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


def test_losses_and_optimizers_of_a_recipe_reach_the_training(trainer: Trainer, fitted: Calls) -> None:
    sound, paper = config("sound"), config("paper")
    recipes = [zoo.cnn_fooling(sound, fine_tuned=True, augmented=False), zoo.cnn_drunk(sound, 3, 2)]
    for recipe in (*recipes, zoo.cnn_drunk_defended(sound, clip_norm=1.0), zoo.cnn_drunk(paper, 1, 1)):
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


def test_everything_that_decides_a_model_names_it(tmp_path: Path) -> None:
    def name(recipe, data=DATA, **machine):
        return Trainer(ResultsFolder(tmp_path), data, config(**machine)).name(recipe)

    base = zoo.cnn_fgsm(config())
    assert base.start is not None
    resnet = zoo.resnet_pgd(config(weights=(("resnet18", "w.pth", "1"),)))
    other = zoo.resnet_pgd(config(weights=(("resnet18", "w.pth", "2"),)))  # another file of that name
    changed = [config(seed=43), config(scale=FULL), config("paper")]
    others = [*map(name, map(zoo.cnn_fgsm, changed)), name(replace(base, start=replace(base.start, seed=1)))]
    others += [name(base, replace(DATA, digest="1")), name(base, threads=2), name(base, precision="bf16")]
    assert len({name(base), *others, name(resnet), name(other)}) == 10
    assert name(zoo.cnn_fgsm(config())) == name(base)
    assert resnet.weights == "w.pth"


class Valley(nn.Module):
    """Wrong in a valley about s = -1/2, s the mean pixel's way from 1/2 in epsilons of .1.

    A single step from s = 0 goes past the valley; steps of 1/4 end within 1/4 of its floor.
    """

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        margin = ((images.flatten(1).mean(1) - 0.5) / 0.1 + 0.5).abs() - 0.35
        return torch.stack([torch.zeros_like(margin), margin], 1)


def test_a_model_that_only_a_single_step_misses_is_reported() -> None:
    report = watch_overfitting(Valley(), np.full((80, 1, 4, 4), 0.5, np.float32), np.ones(80, np.int64), 0.1)
    assert report == {"clean": 1.0, "fgsm": 1.0, "pgd": 0.0, "overfitted": True}
