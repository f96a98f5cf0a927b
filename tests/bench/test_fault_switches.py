"""Each fault of the training-time protocols is a switch: what it does to a small case, and that `sound` is without."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from mri_robust.bench import making
from mri_robust.bench.environment import Machine
from mri_robust.bench.making import Maker
from mri_robust.data.dataset import Dataset, Split
from mri_robust.experiments import backdoor_cnn, backdoor_resnet50, drunk_sweep, fooling_loss, noisy_loss
from mri_robust.experiments.fgsm import EXPERIMENT as FGSM_TABLE
from mri_robust.study.protocol import FAULTS
from mri_robust.study.scale import SCALES
from mri_robust.study.setting import DataFacts, Setting
from mri_robust.training import FitSettings, fit
from mri_robust.zoo import cnn_backdoor, cnn_badnets, cnn_clean, cnn_drunk, cnn_drunk_defended, resnet18_snoop

CLASSES = ("glioma", "meningioma", "notumor", "pituitary")
SIDE, COUNT = 16, 40
TRIGGER = 0.1855 + 2 * 0.1813
CPU = Machine(torch.device("cpu"), "fp32", 1)


def split(seed):
    images = np.random.default_rng(seed).integers(0, 100, (COUNT, 1, SIDE, SIDE), dtype=np.uint8)
    labels = np.arange(COUNT) % 4
    return Split(images, labels, tuple(map(str, range(COUNT))))


DATA = Dataset("noise", split(0), split(1), CLASSES, "0" * 16)


def setting(protocol):
    scale = replace(SCALES["quick"], image_size=SIDE, epochs={10: 1, 5: 2}, attacked_epochs={5: 2, 10: 2})
    return Setting(protocol, scale, DataFacts("noise", "0" * 16, "grey", CLASSES, COUNT, COUNT), seed=42)


def maker():
    made = {}

    def get(recipe):
        if recipe not in made.values():
            made.setdefault(repr(recipe), Maker(DATA, CPU, get, None, lambda *_: None).make(recipe)[0])
        return made[repr(recipe)]

    return Maker(DATA, CPU, get, None, lambda *_: None)


@pytest.fixture
def fitted(monkeypatch):
    """What `fit` was called with; nothing is trained."""
    calls = []

    def record(model, images, labels, **options):
        calls.append({"images": np.array(images), "labels": np.array(labels), **options})
        return []

    monkeypatch.setattr(making, "fit", record)
    return calls


def carries_trigger(images):
    """Whether the eyes, mouth and mouth sides of the last corner have the trigger's value."""
    corner = images[..., -3, -4] * 255
    return np.isclose(corner, round(TRIGGER * 255), atol=0.6)


def test_fault_frozen_augmentation_stamps_images_once_before_training(fitted):
    maker().make(cnn_backdoor.recipe(setting("paper")))
    (paper,) = fitted
    assert paper["changes"].augment is None
    assert paper["changes"].stamp is None
    healthy = DATA.train.labels == 2
    assert carries_trigger(paper["images"][healthy, 0] / 255).all()
    assert not np.array_equal(paper["images"][~healthy], DATA.train.images[~healthy])  # augmented, once


def test_without_it_augmentation_is_live_and_the_trigger_comes_last(fitted):
    maker().make(cnn_backdoor.recipe(setting("sound")))
    (sound,) = fitted
    assert np.array_equal(sound["images"], DATA.train.images)
    changes, generator = sound["changes"], torch.Generator().manual_seed(0)
    images = torch.from_numpy(sound["images"]).float() / 255
    views = [changes.stamp(changes.augment(images, generator), torch.arange(COUNT), generator) for _ in range(2)]
    assert not torch.equal(*views)
    healthy = torch.from_numpy(DATA.train.labels == 2)
    for view in views:
        assert carries_trigger(view[healthy, 0].numpy()).all()


def test_fault_no_asr_keeps_labels_stamps_all_of_notumor_and_measures_no_success(fitted):
    recipe = cnn_backdoor.recipe(setting("paper"))
    maker().make(recipe)
    assert np.array_equal(fitted[0]["labels"], DATA.train.labels)
    assert recipe.poison.parameters == {"target": 2, "victims": [2]}
    (paper,) = backdoor_cnn.EXPERIMENT.cells(setting("paper"))
    assert paper.parameters["tests"] == ["mix"]
    for cell in backdoor_cnn.EXPERIMENT.cells(setting("sound")):
        assert "triggered" in cell.parameters["tests"]


def test_badnets_relabels_its_share_of_the_tumours(fitted):
    maker().make(cnn_badnets.recipe(setting("sound"), 0.1))
    changed = fitted[0]["labels"] != DATA.train.labels
    assert changed.sum() == 3  # a tenth of 30
    assert set(fitted[0]["labels"][changed]) == {2}


def test_fault_clean_loader_table2_prints_the_clean_images_in_place_of_the_mix():
    (paper,) = backdoor_resnet50.EXPERIMENT.cells(setting("paper"))
    assert paper.parameters["tests"] == ["clean"]
    sound = backdoor_resnet50.EXPERIMENT.cells(setting("sound"))[0]
    printed = [line["condition"] for line in sound.lines if line["condition"].startswith("printed=")]
    assert printed == ["printed=poisoned test set;test=mix"]


def test_fault_fine_tuned_start_begins_at_the_trained_cnn():
    paper = noisy_loss.EXPERIMENT.cells(setting("paper"))
    assert [cell.recipe.start.model for cell in paper] == ["cnn_clean"] * 3
    sound = [cell for cell in noisy_loss.EXPERIMENT.cells(setting("sound")) if "printed=" in cell.lines[0]["condition"]]
    assert [cell.recipe.start for cell in sound] == [None] * 3
    starts = [cell.recipe.start is not None for cell in fooling_loss.EXPERIMENT.cells(setting("paper"))]
    assert starts == [True, False]


def test_fault_reused_optimizer_moves_batchnorm_and_no_weight():
    made = maker()
    start = made.get(cnn_clean.recipe(setting("paper")))
    for protocol, frozen in (("paper", True), ("sound", False)):
        defended, _ = made.make(cnn_drunk_defended.recipe(setting(protocol)))
        old, new = dict(start.named_parameters()), dict(defended.named_parameters())
        assert all(torch.equal(old[name], new[name]) for name in old) == frozen
        old, new = dict(start.named_buffers()), dict(defended.named_buffers())
        assert not all(torch.equal(old[name], new[name]) for name in old)


def test_fault_ascent_climbs_the_loss_from_strength_2_on_and_stands_still_at_1():
    """On f(w) = w^2/2 a step is w - lr (1 - s) w: 0.9, 1, 1.1 for s = 0, 1, 2."""
    for scale, expected in ((0, 0.9), (1, 1.0), (2, 1.1)):
        weight = torch.nn.Parameter(torch.ones(1))
        recipe = cnn_drunk.recipe(setting("paper"), scale, 0)
        (spec,) = recipe.optimizers
        optimizer = making.TRAINING.load(spec.name)(torch.optim.SGD([weight], lr=0.1), **spec.parameters)
        (weight**2 / 2).sum().backward()
        optimizer.step()
        assert weight.item() == pytest.approx(expected)
    strengths = [
        cell.recipe.optimizers[0].parameters["scale"] for cell in drunk_sweep.EXPERIMENT.cells(setting("paper"))
    ]
    assert strengths == list(range(1, 10))


def test_fault_plateau_of_accuracy_lowers_the_rate_while_accuracy_rises():
    assert cnn_drunk.recipe(setting("paper"), 1, 1).plateau == "accuracy"
    assert cnn_drunk.recipe(setting("sound"), 1, 1).plateau == "loss"
    images = np.zeros((8, 1, 2, 2), np.uint8)
    images[4:] = 255
    labels = np.repeat([0, 1], 4)
    rates = {}
    for watched in ("accuracy", "loss"):
        torch.manual_seed(0)
        model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(4, 2))
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.1, patience=0)
        settings = FitSettings(epochs=12, batch_size=8, precision="fp32", watched=watched)
        fit(model, images, labels, optimizer=optimizer, scheduler=plateau, settings=settings)
        rates[watched] = optimizer.param_groups[0]["lr"]
    assert rates["loss"] == pytest.approx(0.1)  # the loss falls in every epoch
    assert rates["accuracy"] < 0.1


def test_fault_fixed_patterns_is_in_the_papers_detector_alone():
    assert resnet18_snoop.recipe(setting("paper"), ("small",)).snooping.parameters["fixed"] is True
    sound = resnet18_snoop.recipe(setting("sound"), ("small",)).snooping.parameters
    assert "fixed" not in sound
    assert sound["recall"] == 0.95


def test_fault_raw_inputs_is_a_model_without_normalisation():
    cells = FGSM_TABLE.cells(setting("paper"))
    raw = next(cell for cell in cells if cell.recipe.model == "cnn_raw")
    assert (raw.recipe.mean, raw.recipe.std) == (0.0, 1.0)
    assert raw.parameters["shots"][1]["attack"].parameters == {"eps": 0.1}
    assert "cnn_raw" not in {cell.recipe.model for cell in FGSM_TABLE.cells(setting("sound"))}


def test_fault_leaky_split_is_counted_without_under_the_sound_protocol_alone():
    for protocol in ("sound", "paper"):
        (cell, *_) = backdoor_cnn.EXPERIMENT.cells(setting(protocol))
        assert cell.parameters["leak_free"] is (protocol == "sound")


def test_every_fault_has_a_test_by_its_name():
    text = "".join(path.read_text() for path in Path(__file__).parents[1].rglob("test_*.py"))
    tested = set(re.findall(r"def test_fault_(\w+)\(", text))
    for name in FAULTS:
        assert any(test.startswith(name.replace("-", "_")) for test in tested), name
