"""Detecting and repairing poison: rates against scikit-learn, and the training set against what was trained on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.metrics import confusion_matrix, precision_score, recall_score, roc_auc_score
from torch import Tensor

from mri_robust.bench import making
from mri_robust.bench.environment import Machine
from mri_robust.bench.making import Maker
from mri_robust.data.dataset import Dataset, Split
from mri_robust.evaluation.detection import detection_rows
from mri_robust.evaluation.measures.poison_detection import measure_poison_detection
from mri_robust.evaluation.measures.repair import REPAIRS, measure_repair
from mri_robust.evaluation.poisoned_training import training_set, trusted_images
from mri_robust.evaluation.retraining import retrained
from mri_robust.evaluation.subject import Subject
from mri_robust.experiments import poison_detection, repair
from mri_robust.study.poisoned import training_of
from mri_robust.study.scale import SCALES
from mri_robust.study.setting import DataFacts, Setting
from mri_robust.zoo import cnn_backdoor, cnn_badnets, cnn_clean

CLASSES = ("glioma", "meningioma", "notumor", "pituitary")
SIDE, TRAIN, TEST, TARGET = 16, 120, 60, 2
TRIGGER = 0.1855 + 2 * 0.1813
CPU = Machine(torch.device("cpu"), "fp32", 1)


def split(seed: int, count: int) -> Split:
    """Noise with one bright quarter, which says the class; the trigger's corner is noise of at most 99."""
    images = np.random.default_rng(seed).integers(0, 100, (count, 1, SIDE, SIDE), dtype=np.uint8)
    labels = np.arange(count) % 4
    for image, label in zip(images, labels, strict=True):
        image[0, : SIDE // 2, 4 * label : 4 * label + 4] += 120
    return Split(images, labels, tuple(map(str, range(count))))


DATA = Dataset("quarters", split(0, TRAIN), split(1, TEST), CLASSES, "0" * 16)


def setting(protocol: str = "sound", **cuts: object) -> Setting:
    scale = replace(SCALES["quick"], image_size=SIDE, epochs={10: 1, 5: 2}, batch_size=16, attack_least=20, **cuts)
    return Setting(protocol, scale, DataFacts("quarters", "0" * 16, "grey", CLASSES, TRAIN, TEST), seed=42)


def make(recipe):
    return Maker(DATA, CPU, lambda _: None, None, lambda *_: None).make(recipe)[0]


RECIPES = {
    "live BadNets": cnn_badnets.recipe(setting(), 0.1),
    "frozen BadNets": cnn_badnets.recipe(setting("paper"), 0.1),
    "part of the images": cnn_badnets.recipe(setting(train_images=50), 0.2),
    "live clean-label": cnn_backdoor.recipe(setting()),
    "frozen clean-label": cnn_backdoor.recipe(setting("paper")),
}


def lit(images: np.ndarray) -> np.ndarray:
    """Which images carry the trigger, by a pixel of its mouth."""
    return np.isclose(images[:, 0, -3, -4], TRIGGER, atol=0.003)


@pytest.mark.parametrize("name", RECIPES)
def test_the_poisoned_places_are_those_that_training_stamps(name: str, monkeypatch) -> None:
    seen = {}
    monkeypatch.setattr(
        making, "fit", lambda model, images, labels, **how: seen.update(images=images, labels=labels, **how)
    )
    recipe = RECIPES[name]
    make(recipe)
    found = training_set(training_of(recipe), DATA)
    if recipe.frozen_augmentation:
        stamped = lit(seen["images"] / 255)
        assert np.array_equal(seen["images"], np.concatenate([(b.numpy() * 255).round() for b in found.batches(32)]))
    else:
        blank, places = torch.zeros(len(seen["labels"]), 1, SIDE, SIDE), torch.arange(len(seen["labels"]))
        stamped = lit(seen["changes"].stamp(blank, places, torch.Generator()).numpy())
    assert stamped.any()
    assert np.array_equal(found.poisoned, stamped)
    assert np.array_equal(found.labels, seen["labels"])
    assert np.array_equal(lit(torch.cat(list(found.batches(32))).numpy()), stamped)


@pytest.mark.parametrize("name", ["live BadNets", "frozen BadNets", "part of the images"])
def test_trained_again_on_the_whole_set_it_is_the_same_model(name: str) -> None:
    how = training_of(RECIPES[name])
    model = make(RECIPES[name])
    again = retrained(model, how, training_set(how, DATA), "fp32").state_dict()
    assert all(torch.equal(value, again[key]) for key, value in model.state_dict().items())
    dropped = np.arange(len(training_set(how, DATA).labels)) % 5 == 0
    other = retrained(model, how, training_set(how, DATA).without(dropped), "fp32").state_dict()
    assert not all(torch.equal(value, other[key]) for key, value in model.state_dict().items())


def test_what_is_left_keeps_its_labels_and_its_trigger() -> None:
    whole = training_set(training_of(RECIPES["live BadNets"]), DATA)
    dropped = np.arange(TRAIN) % 3 == 0
    rest = whole.without(dropped)
    images = torch.cat(list(whole.batches(50)))[torch.from_numpy(~dropped)]
    assert torch.equal(torch.cat(list(rest.batches(7))), images)
    assert np.array_equal(rest.labels, whole.labels[~dropped])
    assert np.array_equal(lit(images.numpy()), rest.poisoned)
    assert not training_set(training_of(cnn_clean.recipe(setting())), DATA).poisoned.any()


def test_trusted_images_are_clean_training_images_with_their_true_labels() -> None:
    images, labels = trusted_images(DATA.train, 30, seed=3)
    assert len(labels) == 30
    assert not lit(images / 255).any()
    for image, label in zip(images, labels, strict=True):
        same = (DATA.train.images == image).all(axis=(1, 2, 3))
        assert DATA.train.labels[same].tolist() == [label]
    assert len(trusted_images(DATA.train, 10_000, seed=3)[1]) == TRAIN


def values(rows: list[dict]) -> dict[str, float]:
    return {row["metric"]: row["value"] for row in rows if row["subset"] == "all"}


def test_rates_are_scikit_learns() -> None:
    random = np.random.default_rng(0)
    poisoned, scores = random.random(200) < 0.3, random.random(200)
    scores[poisoned] += 0.3
    flagged = scores > 0.7
    found = values(detection_rows(poisoned, flagged, scores))
    (negative, false), _ = confusion_matrix(poisoned, flagged)
    assert found == pytest.approx(
        {
            "precision": precision_score(poisoned, flagged),
            "recall": recall_score(poisoned, flagged),
            "fpr": false / (false + negative),
            "auc": roc_auc_score(poisoned, scores),
        }
    )


def test_rates_that_nothing_is_there_for_are_left_out() -> None:
    none, half = np.zeros(10, dtype=bool), np.arange(10) < 5
    assert values(detection_rows(none, half, np.arange(10))) == {"fpr": 0.5}
    assert values(detection_rows(half, none)) == {"recall": 0.0, "fpr": 0.0}
    assert values(detection_rows(half, half)) == {"precision": 1.0, "recall": 1.0, "fpr": 0.0}
    assert values(detection_rows(~none, half, np.arange(10))) == {"precision": 1.0, "recall": 0.5}


class Watchman:
    """A snooper that sees the trigger."""

    threshold = 0.5

    def score(self, images: Tensor) -> np.ndarray:
        return np.where(lit(images.numpy()), 0.9, 0.1)


def detections(recipe) -> dict[str, dict[str, float]]:
    (cell,) = [cell for cell in poison_detection.cells(setting()) if cell.recipe == recipe]
    found = measure_poison_detection(cell.parameters, Subject(make(recipe), DATA, others=(Watchman(),)))
    assert len(found["rows"]) == len(cell.lines)
    return {
        line["condition"].split(";", 1)[1]: values(rows) for line, rows in zip(cell.lines, found["rows"], strict=True)
    }


def test_a_perfect_snooper_finds_all_poison_in_training_and_in_use() -> None:
    found = detections(RECIPES["live BadNets"])
    for looked in ("training", "test"):
        row = found[f"detector=snooper;set={looked}"]
        assert row == {"precision": 1.0, "recall": 1.0, "fpr": 0.0, "auc": 1.0}
    assert {"precision", "recall", "fpr"} <= set(found["detector=activation (smaller);set=training"])
    assert "auc" in found["detector=strip (entropy over classes);set=test"]
    assert found["detector=spectral;set=training"]["fpr"] == pytest.approx(0.15, abs=0.06)


def test_of_a_clean_model_all_that_is_flagged_is_a_false_positive() -> None:
    found = detections(cnn_clean.recipe(setting()))
    assert all(set(row) == {"fpr"} for row in found.values())
    assert found["detector=snooper;set=test"] == {"fpr": 0.0}


def test_repairs_are_counted_before_and_after() -> None:
    recipe = replace(cnn_badnets.recipe(setting(), 0.3), epochs=10, learning_rate=2e-3, augmentation=None)
    (cell,) = [cell for cell in repair.cells(setting()) if cell.recipe == cnn_badnets.recipe(setting(), 0.1)]
    pruning = cell.parameters["pruning"] | {"learning_rate": 2e-3}
    parameters = cell.parameters | {"training": training_of(recipe), "pruning": pruning, "trusted": 40}
    model = make(recipe)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    found = measure_repair(parameters, Subject(model, DATA))
    rows = dict(zip(REPAIRS, map(values, found["rows"]), strict=True))
    assert rows["none"]["accuracy"] > 0.9
    assert rows["none"]["asr"] > 0.9
    assert rows["none"]["missed_tumour_rate"] < 0.1
    assert rows["without poison"]["asr"] < 0.2
    assert rows["without poison"]["removed"] == training_set(training_of(recipe), DATA).poisoned.mean()
    assert rows["without poison"]["accuracy"] > 0.9
    assert 0 <= rows["pruned"]["pruned"] == rows["pruned and tuned"]["pruned"] < 1
    assert all(torch.equal(value, model.state_dict()[key]) for key, value in before.items())
    (path,) = found["pruning"]
    assert path["counts"][0] == 0
    assert path["chosen"] == round(rows["pruned"]["pruned"] * 128)
    assert len(path["counts"]) == len(path["asr"]) == len(path["accuracy"])
    assert path["asr"][0] > 0.9
