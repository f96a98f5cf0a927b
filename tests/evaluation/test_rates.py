"""Rates against scikit-learn, intervals against SciPy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest
from sklearn.metrics import accuracy_score, recall_score

from mri_robust.core.intervals import wilson
from mri_robust.evaluation.rates import rates

CLASSES = ("glioma", "meningioma", "notumor", "pituitary")


@given(st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_is_the_score_interval(counts: tuple[int, int]) -> None:
    expected = binomtest(*counts).proportion_ci(method="wilson")
    assert wilson(*counts) == pytest.approx((expected.low, expected.high), abs=1e-12)


@pytest.mark.parametrize("n", [1, 3, 10, 1311])
def test_wilson_at_the_ends_stays_in_the_unit_interval(n: int) -> None:
    assert wilson(0, n)[0] == 0
    assert wilson(n, n)[1] == 1
    assert wilson(0, n)[1] == pytest.approx(1 - wilson(n, n)[0])


@pytest.mark.parametrize("counts", [(0, 0), (-1, 4), (5, 4)])
def test_wilson_refuses_what_is_no_rate(counts: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match=f"{counts[0]} of {counts[1]}"):
        wilson(*counts)


def value(rows: list[dict], metric: str, name: str = "") -> float:
    (row,) = [row for row in rows if row["metric"] == metric and row["class"] == name]
    return row["value"]


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=60))
def test_accuracy_and_recall_agree_with_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    labels, predicted = np.array(pairs).T
    rows = rates(labels, predicted, CLASSES, "all")
    assert value(rows, "accuracy") == pytest.approx(accuracy_score(labels, predicted))
    recalls = recall_score(labels, predicted, labels=range(4), average=None, zero_division=np.nan)
    for name, recall in zip(CLASSES, recalls, strict=True):
        if np.isnan(recall):
            assert not [row for row in rows if row["class"] == name]
        else:
            assert value(rows, "recall", name) == pytest.approx(recall)
    for row in rows:
        assert 0 <= row["ci_low"] <= row["value"] <= row["ci_high"] <= 1
        assert row["subset"] == "all"


def test_missed_tumours_by_hand() -> None:
    """Five tumours, two of them called healthy; a tumour called another tumour is not missed."""
    labels = np.array([0, 0, 1, 3, 3, 2, 2])
    predicted = np.array([2, 1, 1, 2, 3, 0, 2])
    rows = rates(labels, predicted, CLASSES, "leak-free")
    (row,) = [row for row in rows if row["metric"] == "missed_tumour_rate"]
    assert (row["value"], row["n"], row["class"]) == (2 / 5, 5, "")


def test_no_missed_tumours_without_a_healthy_class_or_without_tumours() -> None:
    def metrics(labels: list[int], classes: tuple[str, ...]) -> set[str]:
        return {row["metric"] for row in rates(np.array(labels), np.array(labels), classes, "all")}

    assert metrics([0, 1], ("cat", "dog")) == {"accuracy", "recall"}
    assert metrics([2, 2], CLASSES) == {"accuracy", "recall"}
    assert "missed_tumour_rate" in metrics([0, 1], ("Glioma", "NoTumor"))
