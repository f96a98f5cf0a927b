"""Rows against scikit-learn, and their intervals against closed forms."""

from __future__ import annotations

from itertools import pairwise
from math import sqrt
from statistics import NormalDist

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, classification_report
from torch import nn
from toy_data import CLASSES, DATA, HEALTHY, noise, split, values

from mri_robust.data.dataset import Dataset
from mri_robust.evaluation import rows as made
from mri_robust.evaluation.class_report import ClassReport, confusion
from mri_robust.evaluation.evaluation import Context
from mri_robust.evaluation.statistics import auc_interval

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
    precision = {row["class"]: row for row in made.precision_rows(labels, predicted, CLASSES, "all")[::2]}
    assert (precision["glioma"]["value"], precision["glioma"]["n"]) == (1 / 3, 3)
    assert [precision["meningioma"][name] for name in ("value", "n", "ci_low")] == [0.0, 0, None]
    counts = confusion("x", labels, predicted, CLASSES)["counts"]
    assert counts == [[1, 0, 1, 0], [1, 0, 0, 0], [1, 0, 1, 0], [0, 0, 1, 1]]
    pets = Dataset("pets", DATA.train, DATA.test, ("cat", "dog", "cow", "hen"), "pets")
    assert "missed_tumour_rate" not in values(made.rates(labels[-2:], predicted[-2:], DATA, "all"))
    assert "missed_tumour_rate" not in values(made.rates(labels, predicted, pets, "all"))
    assert made.figure("auc", 0.7)["ci_low"] is made.figure("auc", 0.7)["n"] is None


def test_curves_of_scores_by_hand() -> None:
    scores, labels = np.array([9, 8, 7, 6, 5, 4, 3, 2, 1, 0.0]), np.array([1, 1, 0, 1, 1, 0, 0, 0, 1, 0])
    caught = [made.caught_row(labels, scores, most, "tpr")["value"] for most in (0.0, 0.19, 0.2, 0.99)]
    assert caught == [0.4, 0.4, 0.8, 1.0]
    pairs = (scores[labels == 1][:, None] > scores[labels == 0]).mean()
    row, curve = made.auc_row(labels, scores, attack="x"), made.roc_points("x", labels, scores)
    assert (row["value"], row["n"], row["attack"]) == (pytest.approx(pairs), 10, "x")
    assert curve["auc"] == row["value"] == pytest.approx(np.trapezoid(curve["tpr"], curve["fpr"]))


@pytest.mark.parametrize("distance", [0.0, 1.0, 2.5])
def test_the_interval_of_an_auc_covers_the_true_one_in_95_of_100_samples(distance: float) -> None:
    """Two normal distributions `distance` apart have AUC Phi(distance / sqrt 2)."""
    truth, random = NormalDist().cdf(distance / 2**0.5), np.random.default_rng(1)
    positives, negatives = random.normal(distance, size=(1000, 60, 1)), random.normal(size=(1000, 1, 40))
    bounds = [auc_interval(auc, 60, 40) for auc in (positives > negatives).mean((1, 2))]
    assert 0.93 <= np.mean([low <= truth <= high for low, high in bounds]) <= 0.98


def test_the_interval_of_a_perfect_auc_is_no_point_and_of_one_over_two_is_the_rank_tests() -> None:
    low, high = auc_interval(1.0, 50, 50)
    assert (0.9 < low < 0.99, high) == (True, 1.0)
    assert auc_interval(0.0, 50, 50) == pytest.approx((0.0, 1 - low))
    low, high = auc_interval(0.5, 200, 200)
    # Under equality the statistic of Mann and Whitney has variance (m + n + 1) / 12 mn.
    assert high - low == pytest.approx(2 * Z * (401 / (12 * 200 * 200)) ** 0.5, rel=0.02)


def test_chosen_images_are_nested_and_leaked_ones_set_apart() -> None:
    chosen = [set(made.choose_images(40, count)) for count in (5, 20, 40, 99)]
    assert [len(each) for each in chosen] == [5, 20, 40, 40]
    assert all(few <= more for few, more in pairwise(chosen))
    assert made.choose_images(40, 20, seed=1).tolist() != sorted(chosen[1]) == made.choose_images(40, 20).tolist()
    drawn = made.draw(np.arange(10, 40), 7, torch.Generator().manual_seed(0))
    assert len(drawn) == 7 == len(set(drawn) & set(range(10, 40)))
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


class Constant(nn.Module):
    """Calls everything healthy."""

    def __init__(self) -> None:
        super().__init__()
        self.logits = nn.Parameter(nn.functional.one_hot(torch.tensor(HEALTHY), 4).float())

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.logits.expand(len(images), 4)


def test_the_training_record_becomes_rows_by_epoch_and_epochs_to_90() -> None:
    history = [
        {"epoch": epoch, "loss": 1 / epoch, "accuracy": 0.5, "test": test}
        for epoch, test in enumerate((0.7, 0.89, 0.9, 0.8), start=1)
    ]
    rows = list(ClassReport(attack="x")(Context(Constant(), DATA, history=history)))
    finished = values(rows, epoch=None, attack="x")
    assert finished == {"accuracy": 0.25, "missed_tumour_rate": 1.0, "epochs_to_90": 3}
    assert [values(rows, epoch=epoch)["accuracy"] for epoch in range(1, 5)] == [0.7, 0.89, 0.9, 0.8]
    assert values(rows, epoch=2, subset="training") == {"accuracy": 0.5, "loss": 0.5}
