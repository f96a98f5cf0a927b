"""The figure of extraction: which numbers become curves, and which dots."""

from __future__ import annotations

import pandas as pd
import pytest

from mri_robust.report.figures.extraction import draw_extraction
from mri_robust.report.results import View
from mri_robust.study.experiment import load_experiment

ASKED = "Knockoff Nets;queries=training images"
THEFTS = {
    "Knockoff Nets;queries=noise;budget=100": 0.3,
    "Knockoff Nets;queries=noise;budget=500": 0.31,
    f"{ASKED};budget=100": 0.6,
    f"{ASKED};budget=500": 0.8,
    f"{ASKED};budget=500;answers=rounded": 0.7,
    "control: untrained copy": 0.25,
}


def view(metric: str = "fidelity") -> View:
    rows = [
        {
            "model": model, "condition": condition, "metric": metric, "subset": subset, "weights": "", "paper": None,
            "value": value + shift, "ci_low": value + shift - 0.05, "ci_high": value + shift + 0.05,
        }
        for model, shift in (("cnn_clean", 0.0), ("resnet_pgd", -0.1))
        for subset in ("all", "leak-free")
        for condition, value in THEFTS.items()
    ]  # fmt: skip
    return View(load_experiment("extraction"), "sound", pd.DataFrame(rows), [])


def test_a_curve_a_kind_of_query_and_a_dot_for_what_was_done_once_beside_what_it_varies() -> None:
    figure = draw_extraction(view())
    assert figure is not None
    clean, resnet, dots = figure.axes
    curves = {line.get_label(): (list(line.get_xdata()), list(line.get_ydata())) for line in clean.get_lines()}
    assert curves == {
        "Knockoff Nets, queries noise": ([100, 500], [0.3, 0.31]),
        "Knockoff Nets, queries training images": ([100, 500], [0.6, 0.8]),
    }
    assert list(resnet.get_lines()[1].get_ydata()) == pytest.approx([0.5, 0.7])
    assert [label.get_text() for label in dots.get_yticklabels()] == [
        "Knockoff Nets, 500",
        "Knockoff Nets, answers rounded, 500",
        "control: untrained copy",
    ]
    drawn = [list(container.lines[0].get_xdata()) for container in dots.containers]
    assert drawn == [pytest.approx([0.8, 0.7, 0.25]), pytest.approx([0.7, 0.6, 0.15])]


def test_missing_intervals_and_budgets_that_are_no_numbers_break_nothing() -> None:
    broken = view()
    broken.table[["ci_low", "ci_high"]] = None
    broken.table.loc[0, "condition"] = "Knockoff Nets;queries=noise;budget=many"
    figure = draw_extraction(broken)
    assert figure is not None
    assert [line.get_label() for line in figure.axes[0].get_lines()] == ["Knockoff Nets, queries training images"]


def test_a_table_without_fidelity_has_no_such_figure() -> None:
    assert draw_extraction(view("accuracy")) is None
