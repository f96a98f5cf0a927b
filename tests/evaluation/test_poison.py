"""Backdoors, their detection and their repair, on models whose answers are known and against scikit-learn."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import toy_data
from sklearn.metrics import confusion_matrix, precision_score, recall_score, roc_auc_score
from torch import Tensor, nn
from toy_data import CLASSES, HEALTHY, SCALE, SIDE, TRIGGER, carries_trigger, noise, split, values

from mri_robust.attacks.poisoning.creeper import Creeper
from mri_robust.attacks.poisoning.patterns import Patterns
from mri_robust.bench import trainer as trainers
from mri_robust.bench.trainer import Trainer
from mri_robust.core.validation import to_unit_range
from mri_robust.data.dataset import Dataset, Split
from mri_robust.evaluation.attacked_training import BackdoorTest, triggered_places
from mri_robust.evaluation.detectors import PoisonDetection, SnoopingLimits, SnoopingTest, SnoopPipeline, detection_rows
from mri_robust.evaluation.evaluation import Context, Evaluation
from mri_robust.evaluation.repair import REPAIRS, trained_again
from mri_robust.evaluation.training_set import training_set
from mri_robust.experiments import repair
from mri_robust.study import zoo
from mri_robust.study.recipe import Recipe
from mri_robust.study.results_folder import ResultsFolder

COUNT = 80


def quarters(seed: int, count: int) -> Split:
    """Noise with one bright quarter, which says the class; the trigger's corner stays dark."""
    images = noise(seed, count)
    for place, image in enumerate(images):
        image[0, : SIDE // 2, 4 * (place % 4) : 4 * (place % 4) + 4] += 120
    return split(images)


DATA = Dataset("quarters", quarters(0, 120), quarters(1, COUNT), CLASSES, "quarters")
CUT = replace(SCALE, epochs={10: 1, 5: 2}, batch_size=16, attack_least=20)
LABELS = DATA.test.labels
VICTIMS = int((LABELS != HEALTHY).sum())


config = partial(toy_data.config, dataset=DATA, scale=CUT)


def train(recipe: Recipe, folder: Path) -> Any:
    return Trainer(ResultsFolder(folder), DATA, config()).train(recipe)[0]


class Backdoored(nn.Module):
    """Reads the class off the bright quarter, unless the trigger's mouth is lit."""

    classes = CLASSES

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, images: Tensor) -> Tensor:
        label = images[:, 0, : SIDE // 2].unflatten(2, (4, 4)).mean((1, 3)).argmax(1)
        lit = (images[:, 0, -3, -4] - TRIGGER).abs() < 0.003
        return nn.functional.one_hot(torch.where(lit, HEALTHY, label), 4).float() * self.scale


class Watchman:
    """A snooper that flags the images with the trigger, and the first image of all; its scores are .9 and .1."""

    threshold = 0.5

    class model:
        classes = ("no_pattern", "pattern")

    def __init__(self, wrong: int = 0) -> None:
        self.wrong = wrong

    def score(self, images: Tensor) -> np.ndarray:
        scores = np.where(carries_trigger(images), 0.9, 0.1).astype(np.float32)
        scores[: self.wrong] = 0.9
        return scores


def rows_of(evaluation: Evaluation, model: Any, **context: Any) -> list[dict[str, Any]]:
    return list(evaluation(Context(model, DATA, **context)))


def test_a_perfect_backdoor_is_invisible_on_clean_images_and_always_succeeds() -> None:
    asked, told = BackdoorTest(HEALTHY, leak_free=True), []
    context = Context(Backdoored(), DATA, on_step=lambda *step: told.append(step))
    rows = list(asked(context))
    assert told == [(1, 3), (2, 3), (3, 3)]  # clean, mixed and triggered
    assert values(rows, test="clean") == {"accuracy": 1.0, "missed_tumour_rate": 0.0}
    assert values(rows, test="triggered") == {"asr": 1.0}
    [success] = [row for row in rows if row["metric"] == "asr" and row["subset"] == "all"]
    assert success["n"] == VICTIMS  # images of the target class are no victims
    stamped = triggered_places("mix", LABELS, HEALTHY, asked.generator("mix"))
    assert 0 < len(stamped) <= 0.3 * COUNT
    assert not (LABELS[stamped] == HEALTHY).any()
    mix = values(rows, test="mix")
    assert mix["accuracy"] == pytest.approx(1 - len(stamped) / COUNT)
    assert mix["missed_tumour_rate"] == pytest.approx(len(stamped) / VICTIMS)
    assert context.artefacts["confusion"][2]["counts"] == [[0, 0, 20, 0]] * 4
    assert values(rows, test="clean", subset="leak-free") == values(rows, test="clean")


def test_a_perfect_snooper_takes_the_backdoors_success_away() -> None:
    detector = zoo.resnet18_snoop(config(), zoo.ALL_SIZES)
    alone = rows_of(SnoopPipeline(HEALTHY), Backdoored())
    guarded = rows_of(SnoopPipeline(HEALTHY, detector), Backdoored(), open_model=lambda _: Watchman(1))
    blind = rows_of(SnoopPipeline(HEALTHY, detector, "0.95"), Backdoored(), open_model=lambda _: Watchman(1))
    for rows in (alone, blind):
        assert [values(rows, test=test)["referred"] for test in ("clean", "mix", "triggered")] == [0.0] * 3
        assert values(rows, test="triggered")["asr"] == 1.0
    assert {(row["snooper"], row["threshold"]) for row in guarded} == {("all sizes", "chosen")}
    caught = values(guarded, test="triggered")
    assert (caught["asr"], caught["recall"], caught["referred"]) == (0.0, 1.0, (VICTIMS + 0) / COUNT)
    assert (caught["accuracy"], values(guarded, test="clean")["referred"]) == (1.0, 1 / COUNT)


def test_a_detector_that_reads_the_trigger_is_perfect_on_it_and_blind_to_patterns() -> None:
    patterns = Patterns(sizes=("small",), most=1, canvas=64)
    context, trials = Context(Watchman(), DATA), (("patterns", "a", patterns), ("creeper", "b", Creeper()))
    rows = list(SnoopingTest(trials, rules=("0.5", "chosen"))(context))
    chosen = values(rows, attack="creeper", threshold="chosen")
    assert [chosen[name] for name in ("accuracy", "fpr", "auc", "tpr_at_fpr", "threshold")] == [1.0, 0.0, 1.0, 1.0, 0.5]
    unseen = values(rows, attack="patterns", threshold="chosen")
    assert unseen["auc"] == pytest.approx(0.5, abs=0.05)
    assert values(rows, attack="creeper", threshold="chosen", **{"class": "pattern"})["f1"] == 1.0
    counts = [matrix["counts"] for matrix in context.artefacts["confusion"]]
    assert counts[-1] == [[40, 0], [0, 40]]  # half of the images are stamped
    assert np.sum(counts, axis=2).tolist() == [[40, 40]] * 4
    assert context.artefacts["roc"][1]["point"] == [0.0, 1.0]
    paper = {(row["attack"], row["threshold"]) for row in rows_of(SnoopingTest(trials[:1]), Watchman())}
    assert paper == {("patterns", "0.5")}
    after = rows_of(SnoopingTest(trials[1:], qualities=(0, 95)), Watchman())
    assert {row["test"] for row in after} == {"b", "b, JPEG 95"}
    assert values(after, test="b", **{"class": "pattern"})["recall"] == 1.0


def test_the_limits_count_squares_by_size_and_contrast() -> None:
    """A detector of one bright pixel sees a square where its contrast lifts the images over the bar."""

    class Bright(Watchman):
        def predict(self, images):
            return images.flatten(1).amax(1).numpy() > brightest + 0.1

    images = to_unit_range(DATA.test.images)
    brightest = float(images.max())
    rows = rows_of(SnoopingLimits((2, 4), (0.05, 0.9), images.shape[-1], COUNT), Bright())
    assert values(rows, side=None)["fpr"] == 0.0
    assert {(row["side"], row["contrast"]): row["value"] for row in rows if row["metric"] == "recall"} == {
        (side, contrast): float(contrast > 0.5) for side in (2, 4) for contrast in (0.05, 0.9)
    }


RECIPES = {
    "live BadNets": zoo.cnn_badnets(config(), 0.1),
    "frozen BadNets": zoo.cnn_badnets(config("paper"), 0.1),
    "part of the images": zoo.cnn_badnets(config(scale=replace(CUT, train_images=50)), 0.2),
    "live clean-label": zoo.cnn_backdoor(config()),
}


@pytest.mark.parametrize("name", RECIPES)
def test_poisoned_places_are_stamped(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Any] = {}
    monkeypatch.setattr(trainers, "fit", lambda _, *data, **how: seen.update(images=data[0], labels=data[1], **how))
    recipe = RECIPES[name]
    train(recipe, tmp_path)
    found = training_set(recipe, DATA)
    batches = torch.cat(list(found.batches(32)))
    if recipe.frozen_augmentation:
        stamped = carries_trigger(seen["images"] / 255)
        assert np.array_equal(seen["images"], (batches.numpy() * 255).round())
    else:
        blank, places = torch.zeros(len(seen["labels"]), 1, SIDE, SIDE), torch.arange(len(seen["labels"]))
        stamped = carries_trigger(seen["changes"].stamp(blank, places, torch.Generator()))
    assert stamped.any()
    for poisoned in (found.poisoned, carries_trigger(batches)):
        assert np.array_equal(poisoned, stamped)
    assert np.array_equal(found.labels, seen["labels"])


def test_what_is_left_keeps_its_labels_and_its_trigger() -> None:
    whole = training_set(RECIPES["live BadNets"], DATA)
    dropped = np.arange(120) % 3 == 0
    rest = whole.without(dropped)
    images = torch.cat(list(whole.batches(50)))[torch.from_numpy(~dropped)]
    assert torch.equal(torch.cat(list(rest.batches(7))), images)
    assert np.array_equal(rest.labels, whole.labels[~dropped])
    assert np.array_equal(carries_trigger(images), rest.poisoned)
    assert not training_set(zoo.cnn_clean(config()), DATA).poisoned.any()


@pytest.mark.parametrize("name", ["live BadNets", "frozen BadNets", "part of the images"])
def test_trained_again_on_the_whole_set_it_is_the_same_model(name: str, tmp_path: Path) -> None:
    recipe = RECIPES[name]
    model, training = train(recipe, tmp_path), training_set(recipe, DATA)
    again = trained_again(model, recipe, training, "fp32").state_dict()
    assert all(torch.equal(value, again[key]) for key, value in model.state_dict().items())
    other = trained_again(model, recipe, training.without(np.arange(len(training.labels)) % 5 == 0), "fp32")
    assert not all(torch.equal(value, other.state_dict()[key]) for key, value in model.state_dict().items())


def test_rates_of_detectors_are_scikit_learns() -> None:
    random = np.random.default_rng(0)
    poisoned, scores = random.random(200) < 0.3, random.random(200)
    scores[poisoned] += 0.3
    flagged = scores > 0.7
    (negative, false), _ = confusion_matrix(poisoned, flagged)
    expected = {
        "precision": precision_score(poisoned, flagged),
        "recall": recall_score(poisoned, flagged),
        "fpr": false / (false + negative),
        "auc": roc_auc_score(poisoned, scores),
    }
    assert values(list(detection_rows(poisoned, flagged, scores))) == pytest.approx(expected)
    none, half, ranks = np.zeros(10, dtype=bool), np.arange(10) < 5, np.arange(10.0)
    assert values(list(detection_rows(none, half, ranks))) == {"fpr": 0.5}
    assert values(list(detection_rows(half, none, None))) == {"recall": 0.0, "fpr": 0.0}
    assert values(list(detection_rows(half, half, None))) == {"precision": 1.0, "recall": 1.0, "fpr": 0.0}
    assert values(list(detection_rows(~none, half, ranks))) == {"precision": 1.0, "recall": 0.5}


def test_detectors_look_at_the_training_set_and_at_what_the_model_is_asked(tmp_path: Path) -> None:
    recipe = RECIPES["live BadNets"]
    asked = PoisonDetection(HEALTHY, zoo.resnet18_snoop(config(), zoo.ALL_SIZES), 20, attack="badnets")
    how = {"open_model": lambda _: Watchman()}
    rows = rows_of(asked, train(recipe, tmp_path), asked=recipe, **how)
    for looked in ("training", "test"):  # a perfect snooper finds all poison
        perfect = {"precision": 1.0, "recall": 1.0, "fpr": 0.0, "auc": 1.0}
        assert values(rows, detector="snooper", set=looked) == perfect
    assert values(rows, detector="activation", rule="smaller").keys() >= {"recall", "fpr"}
    assert "auc" in values(rows, detector="strip", rule="entropy over classes")
    assert values(rows, detector="spectral")["fpr"] == pytest.approx(0.15, abs=0.06)
    clean = zoo.cnn_clean(config())
    rows = rows_of(asked, train(clean, tmp_path), asked=clean, **how)
    assert {row["metric"] for row in rows} == {"fpr"}  # of a clean model all that is flagged is wrong
    assert values(rows, detector="snooper", set="test") == {"fpr": 0.0}


def test_repairs_are_counted_before_and_after_on_copies(tmp_path: Path) -> None:
    recipe = replace(zoo.cnn_badnets(config(), 0.3), epochs=10, learning_rate=2e-3, augmentation=None)
    [asked] = [each for model, each in repair.EXPERIMENT.tasks(config()) if dict(model.factors).get("share") == 0.1]
    asked = replace(asked, pruning=replace(asked.pruning, learning_rate=2e-3), trusted=40)
    model = train(recipe, tmp_path)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    rows = rows_of(asked, model, asked=recipe)
    assert all(torch.equal(value, model.state_dict()[key]) for key, value in before.items())
    found = {name: values(rows, repair=name) for name in {row["repair"] for row in rows} - {""}}
    assert len(found) == REPAIRS
    assert found["none"]["accuracy"] > 0.9
    assert found["none"]["asr"] > 0.9
    assert found["none"]["missed_tumour_rate"] < 0.1
    oracle = found["retrained without the poison (oracle)"]
    assert oracle["asr"] < 0.2
    assert oracle["accuracy"] > 0.9
    assert oracle["removed"] == training_set(recipe, DATA).poisoned.mean()
    pruned = found["pruned"]["pruned"]
    assert 0 <= pruned == found["fine-pruned"]["pruned"] < 1
    path = [row for row in rows if row.get("repair") == ""]
    [chosen] = {row["channels"] for row in path if row["chosen"]}
    assert chosen == round(pruned * 128)
    assert values(path, channels=0, subset="drawn")["asr"] > 0.9
    assert {row["metric"] for row in path} == {"accuracy", "asr"}
