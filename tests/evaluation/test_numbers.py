"""Rows against scikit-learn, statistics against SciPy, intervals against closed forms."""

from itertools import pairwise
from math import comb, sqrt
from statistics import NormalDist

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import bootstrap
from sklearn.metrics import accuracy_score, classification_report
from toy_data import CLASSES, DATA, HEALTHY, SIDE, noise, split, values
from toy_models import Linear

from mri_robust.data.dataset import Dataset, with_tumours
from mri_robust.evaluation import rows as made
from mri_robust.evaluation.attacked_training import ClassReport
from mri_robust.evaluation.evaluation import Context
from mri_robust.evaluation.pictures import confusion, roc_points
from mri_robust.evaluation.statistics import auc_interval, compare_models, mcnemar, paired_bootstrap

Z = 1.959964
PAIRS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=60)


def wilson(hits: int, n: int) -> tuple[float, float]:
    middle, half = hits / n + Z**2 / (2 * n), Z * sqrt(hits / n * (1 - hits / n) / n + Z**2 / (4 * n**2))
    return (middle - half) / (1 + Z**2 / n), (middle + half) / (1 + Z**2 / n)


@given(PAIRS)
def test_a_report_of_classes_is_scikit_learns(pairs: list[tuple[int, int]]) -> None:
    labels, predicted = np.array(pairs).T
    names = {"labels": range(4), "target_names": CLASSES, "output_dict": True, "zero_division": 0.0}
    expected = classification_report(labels, predicted, **names)
    rows = [*made.rates(labels, predicted, DATA, "all"), *made.precision_rows(labels, predicted, CLASSES, "all")]
    assert values(rows)["accuracy"] == pytest.approx(accuracy_score(labels, predicted))
    for name in CLASSES:
        found = values(rows, **{"class": name})
        assert ("recall" in found) == (expected[name]["support"] > 0)
        for metric, value in found.items():
            assert value == pytest.approx(expected[name][metric.replace("f1", "f1-score")])
    for row in rows:
        if row["ci_low"] is not None:
            bounds = wilson(round(row["value"] * row["n"]), row["n"])
            assert (row["ci_low"], row["ci_high"]) == pytest.approx(bounds, abs=1e-6)


def test_missed_tumours_and_a_class_never_called_by_hand() -> None:
    """Five tumours, two of them called healthy; a tumour called another tumour is not missed."""
    labels, predicted = np.array([0, 0, 1, 3, 3, 2, 2]), np.array([2, 0, 0, 2, 3, 0, 2])
    missed = made.rates(labels, predicted, DATA, "all", epsilon=0.1)[1]
    assert (missed["metric"], missed["value"], missed["n"], missed["epsilon"]) == ("missed_tumour_rate", 2 / 5, 5, 0.1)
    precision = {row["class"]: row for row in [*made.precision_rows(labels, predicted, CLASSES)][::2]}
    assert (precision["glioma"]["value"], precision["glioma"]["n"]) == (1 / 3, 3)
    assert [precision["meningioma"][name] for name in ("value", "n", "ci_low")] == [0.0, 0, None]
    counts = confusion("x", labels, predicted, CLASSES)["counts"]
    assert counts == [[1, 0, 1, 0], [1, 0, 0, 0], [1, 0, 1, 0], [0, 0, 1, 1]]
    healthy = with_tumours(DATA, ("glioma", "pituitary"))  # two classes without a tumour: neither's recall matters
    missed = made.rates(np.array([0, 0, 3, 1, 2, 2]), np.array([1, 2, 3, 2, 1, 0]), healthy, "all")[1]
    assert (missed["metric"], missed["value"], missed["n"]) == ("missed_tumour_rate", 2 / 3, 3)
    pets = Dataset("pets", DATA.train, DATA.test, ("cat", "dog", "cow", "hen"), "pets")
    assert "missed_tumour_rate" not in values(made.rates(labels[-2:], predicted[-2:], DATA, "all"))
    assert "missed_tumour_rate" not in values(made.rates(labels, predicted, pets, "all"))
    assert made.figure("auc", 0.7)["ci_low"] is made.figure("auc", 0.7)["n"] is None


def test_curves_of_scores_by_hand() -> None:
    scores, labels = np.array([9, 8, 7, 6, 5, 4, 3, 2, 1, 0.0]), np.array([1, 1, 0, 1, 1, 0, 0, 0, 1, 0])
    caught = [made.caught_row(labels, scores, most, "tpr")["value"] for most in (0.0, 0.19, 0.2, 0.99)]
    assert caught == [0.4, 0.4, 0.8, 1.0]
    pairs = (scores[labels == 1][:, None] > scores[labels == 0]).mean()
    row, curve = made.auc_row(labels, scores, attack="x"), roc_points("x", labels, scores)
    assert (row["value"], row["n"], row["attack"]) == (pytest.approx(pairs), 10, "x")
    assert curve["auc"] == row["value"] == pytest.approx(np.trapezoid(curve["tpr"], curve["fpr"]))


@pytest.mark.parametrize("distance", [0.0, 1.0, 2.5])
def test_the_interval_of_an_auc_covers_the_true_one_in_95_of_100_samples(distance: float) -> None:
    """Two normal distributions `distance` apart have AUC Phi(distance / sqrt 2)."""
    truth, random = NormalDist().cdf(distance / 2**0.5), np.random.default_rng(1)
    positives, negatives = random.normal(distance, size=(1000, 60, 1)), random.normal(size=(1000, 1, 40))
    bounds = [auc_interval(auc, 60, 40) for auc in (positives > negatives).mean((1, 2))]
    assert 0.93 <= np.mean([low <= truth <= high for low, high in bounds]) <= 0.98


def test_chosen_images_are_nested_and_leaked_ones_set_apart() -> None:
    chosen = [set(made.choose_images(40, count)) for count in (5, 20, 40, 99)]
    assert [len(each) for each in chosen] == [5, 20, 40, 40]
    assert all(few <= more for few, more in pairwise(chosen))
    assert made.choose_images(40, 20, seed=1).tolist() != sorted(chosen[1]) == made.choose_images(40, 20).tolist()
    drawn = made.draw(30, 7, torch.Generator().manual_seed(0)).tolist()
    assert len(drawn) == 7 == len(set(drawn) & set(range(30)))
    assert drawn == sorted(drawn)
    leaky = split(np.concatenate([noise(0)[:9], noise(5)]))
    data = Dataset("leaky", split(noise(0)), leaky, CLASSES, "leaky")
    places = np.array([0, 5, 8, 9, 30])
    masks = made.subsets(data, True, places)
    assert masks["leak-free"].tolist() == [False, False, False, True, True]
    assert list(made.subsets(data, False, places)) == ["all"] == list(made.subsets(data, True, places[:3]))


def test_a_table_has_every_column_once_and_every_number_once() -> None:
    share = made.share(np.array([True, False]), "accuracy")
    rows = [{**share, "model": "a", "severity": 1, "right": "10"}, {**share, "model": "b", "noise": 0.1}]
    table = made.tidy([*rows, rows[0]])
    assert list(table.columns) == [*made.LEADING, "severity", "noise", *made.TRAILING]
    assert table["model"].tolist() == ["a", "b"]
    assert made.tidy([*rows, rows[0] | {"value": 0.4}])["value"].tolist() == [0.5, 0.5, 0.4]
    assert list(made.tidy([]).columns) == [*made.LEADING, *made.TRAILING]


def test_the_training_record_becomes_rows_by_epoch_and_epochs_to_90() -> None:
    """The last class has 40 images and the others 20; class 1 loses some to class 0, class 3 to class 2."""
    lost = [(10, 20), (1, 10), (0, 10), (20, 0)]
    history = [
        {
            "epoch": epoch,
            "loss": 1 / epoch,
            "accuracy": 0.5,
            "test": [[20, 0, 0, 0], [one, 20 - one, 0, 0], [0, 0, 20, 0], [0, 0, three, 40 - three]],
        }
        for epoch, (one, three) in enumerate(lost, start=1)
    ]
    healthy = Linear(torch.zeros(4, SIDE**2), 1.0 * (torch.arange(4) == HEALTHY))
    rows = list(ClassReport(attack="x")(Context(healthy, DATA, history=history)))
    finished = values(rows, epoch=None, attack="x")
    assert finished == {"accuracy": 0.25, "missed_tumour_rate": 1.0, "epochs_to_90": 3}
    assert [values(rows, epoch=epoch)["accuracy"] for epoch in range(1, 5)] == [0.7, 0.89, 0.9, 0.8]
    watched = {row["class"]: row["value"] for row in rows if row["metric"] == "recall" and row.get("epoch") == 1}
    assert watched == dict(zip(DATA.classes, (1.0, 0.5, 1.0, 0.5), strict=True))
    assert values(rows, epoch=2, subset="training") == {"accuracy": 0.5, "loss": 0.5}


def simulated(rng: np.random.Generator, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Models right on .8 and .7 of images that are hard or easy for both."""
    ease = rng.random(shape)
    return ease < 0.8, (ease < 0.6) | (rng.random(shape) < 0.25)


TAIL = 2 * sum(comb(101, k) for k in range(38)) / 2**101


@pytest.mark.parametrize(("b", "c", "p_value"), [(0, 5, 2 / 32), (1, 9, 22 / 1024), (7, 7, 1), (37, 64, TAIL)])
def test_mcnemar_by_hand(b: int, c: int, p_value: float) -> None:
    assert mcnemar(b, c) == mcnemar(c, b) == pytest.approx(p_value)


def test_bootstrap_agrees_with_scipy() -> None:
    a, b = simulated(np.random.default_rng(0), (1, 150))
    mean, *ends, _ = paired_bootstrap(a, b, draws=20_000)
    how = {"n_resamples": 20_000, "method": "percentile", "rng": np.random.default_rng(1)}
    theirs = bootstrap((a[0].astype(float) - b[0],), np.mean, **how).confidence_interval
    assert mean == pytest.approx(a.mean() - b.mean())
    assert ends == pytest.approx([theirs.low, theirs.high], abs=1 / 150)  # one image


def test_bootstrap_over_seeds_has_the_variance_of_the_closed_form() -> None:
    """Image variance / N + seed variance / S + that of what is left / (S N), with the sample's own moments."""
    rng = np.random.default_rng(3)
    skill = rng.uniform(0.4, 0.95, size=(6, 1))
    a, b = rng.random((6, 90)) < skill, rng.random((6, 90)) < 0.6
    d = a.astype(float) - b
    by_image, by_seed = d.mean(0), d.mean(1)
    rest = d - by_image - by_seed[:, None] + d.mean()
    variance = by_image.var() / 90 + by_seed.var() / 6 + rest.var() / (6 * 90)
    mean, low, high, _ = paired_bootstrap(a, b, draws=20_000)
    assert mean == pytest.approx(d.mean())
    assert (high - low) / 2 == pytest.approx(1.96 * np.sqrt(variance), rel=0.05)
    always = paired_bootstrap(np.ones((1, 20), bool), np.zeros((1, 20), bool), draws=999)
    assert always == (1.0, 1.0, 1.0, 2 / 1000)


def test_the_interval_covers_the_truth_and_small_p_values_are_rare_under_the_null() -> None:
    """The difference is .8 - (.6 + .4 * .25) = .1; 285 of 300 intervals shall hold it, give or take 4 sigma."""
    rng = np.random.default_rng(5)
    results = [paired_bootstrap(*simulated(rng, (1, 200)), draws=400, seed=seed) for seed in range(300)]
    assert abs(sum(low <= 0.1 <= high for _, low, high, _ in results) - 285) <= 4 * np.sqrt(300 * 0.95 * 0.05)
    null = [paired_bootstrap(*(rng.random((2, 1, 200)) < 0.7), draws=400, seed=seed)[3] for seed in range(300)]
    assert sum(value <= 0.05 for value in null) <= 15 + 4 * np.sqrt(300 * 0.05 * 0.95)


@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.integers(1, 40))
def test_swapping_the_models_turns_the_sign_and_the_seed_decides_the_draws(seed: int, seeds: int, images: int) -> None:
    a, b = simulated(np.random.default_rng(seed), (seeds, images))
    there, back = paired_bootstrap(a, b, draws=50, seed=seed), paired_bootstrap(b, a, draws=50, seed=seed)
    mean, low, high, p_value = back
    assert there == pytest.approx((-mean, -high, -low, p_value))
    assert there == paired_bootstrap(a, b, draws=50, seed=seed)
    assert paired_bootstrap(a, a.copy(), draws=50) == (0.0, 0.0, 0.0, 1.0)


def row(model: str, right: str, seed: int = 42, **more: object) -> dict[str, object]:
    about = {"experiment": "fgsm", "attack": "fgsm", "epsilon": 0.1, "steps": None, "value": 0.5, "weights": model}
    return {**about, "model": model, "seed": seed, "right": right, **more}


def test_pairs_by_hand_in_the_order_of_the_models() -> None:
    rows = [row("b", "11001000"), row("a", "11110000"), row("c", "")]
    [pair] = compare_models(rows, ["c", "a", "b"]).to_dict("records")
    assert (pair["model"], pair["other"], pair["n"], pair["seeds"], pair["epsilon"]) == ("a", "b", 8, 1, 0.1)
    assert pair["difference"] == pytest.approx(1 / 8)  # 4 right against 3
    assert (pair["only_model"], pair["only_other"]) == (2, 1)
    assert pair["p_mcnemar"] == pytest.approx(1.0)  # 2 against 1: (1 + 3) / 8, twice
    assert [compare_models(rows)["model"][0], list(compare_models([]).columns)[:2]] == ["b", ["model", "other"]]


OTHERS = [{"epsilon": 0.2}, {"after": "pgd"}, {"attack": "pgd"}, {"seed": 43}, {"right": "101"}]


@pytest.mark.parametrize("other", OTHERS)
def test_what_was_measured_otherwise_is_never_paired(other: dict[str, object]) -> None:
    assert compare_models([row("a", "10"), row("b", "01") | other]).empty


def test_seeds_are_paired_with_each_other_and_mcnemar_is_the_first_ones() -> None:
    random = np.random.default_rng(0)
    ours, theirs = random.random((2, 50)) < 0.8, random.random((2, 50)) < 0.5
    rows = [
        row(name, "".join("01"[int(hit)] for hit in hits[index]), seed)
        for name, hits in (("a", ours), ("b", theirs))
        for index, seed in enumerate((42, 43))
    ]
    [pair] = compare_models(rows).to_dict("records")
    expected = paired_bootstrap(ours, theirs)
    only = [int((ours[0] > theirs[0]).sum()), int((theirs[0] > ours[0]).sum())]
    assert (pair["difference"], pair["ci_low"], pair["ci_high"], pair["p_bootstrap"]) == expected
    assert (pair["only_model"], pair["only_other"], pair["p_mcnemar"]) == (*only, mcnemar(*only))
    assert pair["seeds"] == 2
