"""The measures of extraction and membership, and the interval of an AUC, against answers that are known."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from mri_robust.core.registry import Spec
from mri_robust.data.dataset import Dataset, Split, load_dataset
from mri_robust.data.subset import training_places
from mri_robust.evaluation.measures.extraction import measure_extraction
from mri_robust.evaluation.measures.membership import measure_membership
from mri_robust.evaluation.roc import auc_interval, caught_at
from mri_robust.evaluation.subject import Subject
from mri_robust.models.classifier import build_model
from mri_robust.study.experiment import load_experiment
from mri_robust.study.protocol import PROTOCOLS
from mri_robust.study.scale import SCALES
from mri_robust.study.setting import DataFacts, Setting

SIDE, CLASSES = 8, ("glioma", "meningioma", "notumor", "pituitary")
HOW = {"seed": 5, "train_images": 80, "augmentation": None, "poison": None, "frozen_augmentation": False}


def noise(count: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 1, SIDE, SIDE), dtype=np.uint8)


def split(images: np.ndarray) -> Split:
    return Split(images, np.arange(len(images)) % 4, tuple(f"{index}.png" for index in range(len(images))))


def make_dataset() -> Dataset:
    """Noise: 160 training images, 100 test images; of these the first 10 stand in training."""
    train, test = noise(160, 1), noise(100, 2)
    test[:10] = train[:10]
    return Dataset("noise", split(train), split(test), CLASSES, "0" * 16)


DATA = make_dataset()


class Knowing(nn.Module):
    """Right and sure of some images, and of all others wrong and unsure."""

    classes, image_size, channels = CLASSES, SIDE, "grey"

    def __init__(self, images: np.ndarray, labels: np.ndarray) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))
        self.known = {image.tobytes(): int(label) for image, label in zip(images, labels, strict=True)}
        self.asked: list[bytes] = []

    def forward(self, images: Tensor) -> Tensor:
        keys = [image.tobytes() for image in (images * 255).round().to(torch.uint8).numpy()]
        self.asked += keys
        logits = torch.zeros(len(images), 4)
        for row, key in enumerate(keys):
            logits[row, self.known.get(key, 0)] = 5.0 if key in self.known else 0.5 + (key[0] % 7) / 100
        return logits * self.scale


def numbers(rows: list[dict], subset: str = "all") -> dict[str, float]:
    return {row["metric"]: row["value"] for row in rows if row["subset"] == subset}


def measure(model: nn.Module, *tests: tuple[str, str, str], how: dict | None = None) -> dict:
    parameters = {
        "tests": [dict(zip(("attack", "members", "others"), test, strict=True)) for test in tests],
        "training": how or HOW,
        "seed": 1,
    }
    return measure_membership(parameters, Subject(model, DATA))


def knowing(how: dict) -> Knowing:
    seen = training_places(160, how["train_images"], how["seed"])
    return Knowing(DATA.train.images[seen], DATA.train.labels[seen])


ALL = ("loss threshold", "black box", "right prediction")


def test_a_model_that_knows_its_training_images_alone_gives_them_all_away() -> None:
    result = measure(knowing(HOW), *((attack, "seen", kind) for attack in ALL for kind in ("held out", "test")))
    found = [numbers(rows) for rows in result["rows"]]
    assert [row["auc"] for row in found[:4]] == [1.0] * 4
    assert [row["tpr_at_1_fpr"] for row in found[:4]] == [1.0] * 4
    assert [row["members"] for row in found] == [80, 80, 40, 80 - 40, 80, 80]
    assert [row["others"] for row in found] == [80, 90, 40, 50, 80, 90]  # 10 test images stand in training
    assert [row["same_as_art"] for row in (*found[:2], *found[4:])] == [1.0] * 4
    rule = result["rows"][4]
    assert numbers(rule, "training")["accuracy"] == 1.0
    assert numbers(rule)["auc"] == pytest.approx((1 + 1 - numbers(rule)["accuracy"]) / 2)
    assert [curve["name"] for curve in result["roc"]] == ["seen v. held out", "seen v. test"]


def test_images_that_nobody_has_seen_are_not_told_apart() -> None:
    result = measure(knowing(HOW), *((attack, "held out", "test") for attack in ALL))
    for rows in result["rows"]:
        (auc,) = (row for row in rows if row["metric"] == "auc")
        assert auc["ci_low"] < 0.5 < auc["ci_high"]
        assert auc["ci_high"] - auc["ci_low"] < 0.4


def test_the_learned_attack_is_never_scored_on_what_it_was_fitted_on(monkeypatch: pytest.MonkeyPatch) -> None:
    from mri_robust.evaluation.measures import membership

    seen: list[set[bytes]] = []

    def watched(model, members, others, asked, *, seed):
        seen.extend({image.numpy().tobytes() for image in images} for images, _ in (members, others, asked))
        return np.linspace(0, 1, len(asked[1]))

    monkeypatch.setattr(membership, "learned_scores", watched)
    measure(knowing(HOW), ("black box", "seen", "test"))
    members, others, asked = seen
    assert len(members) == len(others) == 40
    assert not asked & (members | others)


def test_a_twin_of_a_training_image_is_no_image_held_out() -> None:
    train = DATA.train.images.copy()
    seen = training_places(160, 80, HOW["seed"])
    others = np.setdiff1d(np.arange(160), seen)
    train[others[:7]] = train[seen[:7]]
    data = Dataset("twins", split(train), DATA.test, CLASSES, "1" * 16)
    test = {"attack": "loss threshold", "members": "seen", "others": "held out"}
    result = measure_membership({"tests": [test], "training": HOW, "seed": 1}, Subject(knowing(HOW), data))
    assert numbers(result["rows"][0])["others"] == 73


def test_members_are_asked_about_under_the_labels_that_they_were_trained_with() -> None:
    how = HOW | {"poison": Spec("shuffled-labels")}
    from mri_robust.evaluation.poisoned_training import training_set

    trained = training_set(how, DATA)
    model = Knowing(trained.images, trained.labels)
    assert not np.array_equal(trained.labels, DATA.train.labels[training_places(160, 80, 5)])
    assert numbers(measure(model, ("loss threshold", "seen", "held out"), how=how)["rows"][0])["auc"] == 1.0


def test_what_nobody_was_left_out_of_is_named() -> None:
    how = HOW | {"train_images": None}
    with pytest.raises(ValueError, match="no images 'held out'"):
        measure(knowing(how), ("loss threshold", "seen", "held out"), how=how)


@pytest.mark.parametrize("distance", [0.0, 1.0, 2.5])
def test_the_interval_of_an_auc_covers_the_true_one_in_95_of_100_samples(distance: float) -> None:
    """Two normal distributions `distance` apart have AUC Phi(distance / sqrt 2)."""
    truth, random = NormalDist().cdf(distance / 2**0.5), np.random.default_rng(1)
    members, others = random.normal(distance, size=(1000, 60, 1)), random.normal(size=(1000, 1, 40))
    bounds = [auc_interval(auc, 60, 40) for auc in (members > others).mean((1, 2))]
    assert 0.93 <= np.mean([low <= truth <= high for low, high in bounds]) <= 0.98


def test_the_interval_of_a_perfect_auc_is_no_point_and_of_one_over_two_is_the_rank_tests() -> None:
    low, high = auc_interval(1.0, 50, 50)
    assert (0.9 < low < 0.99, high) == (True, 1.0)
    assert auc_interval(0.0, 50, 50) == pytest.approx((0.0, 1 - low))
    low, high = auc_interval(0.5, 200, 200)
    # Under equality the statistic of Mann and Whitney has variance (m + n + 1) / 12 mn.
    assert high - low == pytest.approx(2 * 1.96 * (401 / (12 * 200 * 200)) ** 0.5, rel=0.02)


def test_what_is_caught_at_a_rate_of_false_positives_is_read_off_the_sorted_scores() -> None:
    scores, labels = np.array([9, 8, 7, 6, 5, 4, 3, 2, 1, 0.0]), np.array([1, 1, 0, 1, 1, 0, 0, 0, 1, 0])
    assert [caught_at(labels, scores, most, "x")["value"] for most in (0.0, 0.19, 0.2, 0.99)] == [0.4, 0.4, 0.8, 1.0]


THEFTS = [
    {"by": "owner"},
    *(
        {"by": by, "attack": Spec("extraction", {"queries": "training images", "budget": 64, **more}), "defence": ""}
        for by in ("art", "own code")
        for more in ({"updates": 60, "batch_size": 16},)
    ),
    {"by": "nobody"},
]


@pytest.fixture(scope="module")
def stolen() -> dict:
    data = load_dataset("phantom:train=64,test=40", size=16)
    with torch.random.fork_rng():
        torch.manual_seed(3)
        model = build_model("cnn", classes=data.classes, image_size=16)
    model.network[-1].bias.data[:] = torch.tensor([0.0, 3.0, 0.0, 0.0])  # says the same of all
    parameters = {"thefts": THEFTS, "architecture": "cnn", "leak_free": False, "seed": 1}
    return {"data": data, "model": model.eval(), "result": measure_extraction(parameters, Subject(model, data))}


def test_a_model_that_says_one_thing_is_stolen_whole_and_the_copy_is_as_wrong_as_it_is(stolen: dict) -> None:
    owner, art, own, nobody = (numbers(rows) for rows in stolen["result"]["rows"])
    share = float((stolen["data"].test.labels == 1).mean())
    assert owner == {"accuracy": share}
    assert art == {"fidelity": 1.0, "accuracy": share, "right_answers": 1.0}
    assert own == {**art, "fidelity_gap": 0.0}
    assert set(nobody) == {"fidelity", "accuracy"}
    assert nobody["fidelity"] < 1.0


def test_phantoms_asked_are_none_of_the_data_sets_own() -> None:
    from mri_robust.evaluation.measures.extraction import PHANTOMS

    own = load_dataset("phantom:train=64,test=40", size=16)
    asked = load_dataset(PHANTOMS.format(count=64), size=16)
    pictures = [{image.tobytes() for image in part.images} for part in (own.train, own.test, asked.train)]
    assert not pictures[2] & (pictures[0] | pictures[1])


def setting(protocol: str, train_images: int) -> Setting:
    facts = DataFacts("noise", "0" * 16, "grey", CLASSES, train_images, 100)
    return Setting(protocol, SCALES["full"], facts, 42)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(("train_images", "most"), [(5712, 4000), (700, 700)])
def test_no_more_training_images_are_asked_than_there_are(protocol: str, train_images: int, most: int) -> None:
    cells = load_experiment("extraction").cells(setting(protocol, train_images))
    assert [(cell.recipe.model, len(cell.lines)) for cell in cells if cell.recipe.model == "resnet_pgd"]
    for cell in cells:
        assert len(cell.lines) == len(cell.parameters["thefts"]) == len({line["condition"] for line in cell.lines})
        asked = [theft["attack"].parameters for theft in cell.parameters["thefts"] if "attack" in theft]
        limit = most if asked[0]["queries"] == "training images" else 4000
        assert {100, 500, limit} <= {parameters["budget"] for parameters in asked}
        assert max(parameters["budget"] for parameters in asked) == limit
        by_art = [theft["attack"] for theft in cell.parameters["thefts"] if theft["by"] == "art"]
        assert all(theft["attack"] in by_art for theft in cell.parameters["thefts"] if theft["by"] == "own code")


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_models_that_leave_images_out_know_half_of_them_and_the_others_are_not_asked_about_images_left_out(
    protocol: str,
) -> None:
    for cell in load_experiment("membership").cells(setting(protocol, 701)):
        held_out = any("held out" in (test["members"], test["others"]) for test in cell.parameters["tests"])
        assert cell.parameters["training"]["train_images"] == (350 if held_out else None)
        assert len(cell.lines) == len(cell.parameters["tests"]) == len({line["condition"] for line in cell.lines})
