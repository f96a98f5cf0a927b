"""Reports of classes against scikit-learn's, intervals against SciPy's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest
from sklearn.metrics import classification_report

from mri_robust.evaluation.class_report import class_report, confusion, figure
from mri_robust.evaluation.rates import share

CLASSES = ("glioma", "meningioma", "notumor", "pituitary")
LABELS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=60)


@given(LABELS)
def test_precision_recall_and_f1_are_scikit_learns(pairs: list[tuple[int, int]]) -> None:
    labels, predicted = np.array(pairs).T
    expected = classification_report(
        labels, predicted, labels=range(4), target_names=CLASSES, output_dict=True, zero_division=0.0
    )
    rows = class_report(labels, predicted, CLASSES, "all")
    for row in rows:
        if row["class"]:
            name = {"f1": "f1-score"}.get(row["metric"], row["metric"])
            assert row["value"] == pytest.approx(expected[row["class"]][name])
    assert {(row["class"], row["metric"]) for row in rows} >= {(c, m) for c in CLASSES for m in ("precision", "f1")}


def test_precision_has_the_interval_of_the_images_called_so() -> None:
    labels, predicted = np.array([0, 0, 1, 2, 0]), np.array([0, 0, 0, 0, 1])
    row = next(r for r in class_report(labels, predicted, CLASSES, "all") if r["metric"] == "precision" and r["value"])
    interval = binomtest(2, 4).proportion_ci(method="wilson")
    assert (row["class"], row["n"]) == ("glioma", 4)
    assert (row["ci_low"], row["ci_high"]) == pytest.approx((interval.low, interval.high))


def test_a_class_that_is_never_called_has_precision_0_and_no_interval() -> None:
    rows = class_report(np.array([0, 1]), np.array([0, 0]), CLASSES, "all")
    row = next(row for row in rows if (row["class"], row["metric"]) == ("meningioma", "precision"))
    assert (row["value"], row["n"], row["ci_low"]) == (0.0, 0, None)


def test_confusion_counts_rows_by_truth_and_columns_by_prediction() -> None:
    matrix = confusion("x", np.array([0, 0, 2]), np.array([0, 3, 2]), CLASSES)
    assert matrix["counts"] == [[1, 0, 0, 1], [0, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0]]


def test_a_share_has_an_interval_and_a_figure_has_none() -> None:
    row = share(np.array([True, False, False, True]), "asr")
    interval = binomtest(2, 4).proportion_ci(method="wilson")
    assert (row["value"], row["n"]) == (0.5, 4)
    assert (row["ci_low"], row["ci_high"]) == pytest.approx((interval.low, interval.high))
    assert figure("auc", 0.7)["ci_low"] is None
