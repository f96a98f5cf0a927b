"""The figures on detectors and repairs of poison: what they show is what tables and cells hold."""

from __future__ import annotations

import copy

import pytest
from matplotlib.colors import to_hex
from report_folder import cell, made, row

from mri_robust.report.drawing import COLOURS
from mri_robust.report.figures.detectors import draw_detectors
from mri_robust.report.figures.pruning import draw_pruning
from mri_robust.report.results import open_results
from mri_robust.report.run_shapes import check_cell

PATH = {"counts": [0, 8, 16], "chosen": 8, "accuracy": [0.9, 0.85, 0.6], "asr": [1.0, 0.4, 0.0]}


def view(folder, rows, *cells):
    folder.add(made(), rows, cells)
    results = open_results(folder.write())
    return results.views(results.experiments[0])[0]


def detector_rows(poison: str, detector: str, recall: float | None, fpr: float) -> list[dict]:
    condition = f"poison={poison};detector={detector};set=test"
    rows = [row("fpr", fpr, condition=condition, ci=(fpr - 0.05, fpr + 0.05))]
    return rows if recall is None else [row("recall", recall, condition=condition, ci=(recall - 0.1, 1.0)), *rows]


def test_each_poisoning_has_a_panel_with_a_line_a_detector(folder):
    rows = [
        *detector_rows("BadNets 5%", "spectral", 0.9, 0.1),
        *detector_rows("BadNets 5%", "snooper", 0.3, 0.2),
        *detector_rows("none", "spectral", None, 0.15),
        *detector_rows("none", "snooper", None, 0.05),
    ]
    figure = draw_detectors(view(folder, rows))
    poisoned, clean = figure.axes
    assert [axes.get_title() for axes in figure.axes] == ["poison: BadNets 5%", "poison: none"]
    assert [label.get_text() for label in poisoned.get_yticklabels()] == ["snooper, test set", "spectral, test set"]

    def points(axes, colour):
        lines = [line for line in axes.get_lines() if line.get_marker() != "None" and len(line.get_xdata())]
        return [
            (line.get_xdata()[0], round(line.get_ydata()[0])) for line in lines if to_hex(line.get_color()) == colour
        ]

    recall, fpr = (to_hex(COLOURS[place]) for place in (0, 1))
    assert points(poisoned, recall) == [(0.3, 0), (0.9, 1)]
    assert points(poisoned, fpr) == [(0.2, 0), (0.1, 1)]
    assert points(clean, recall) == []
    assert points(clean, fpr) == [(0.05, 0), (0.15, 1)]


def test_pruning_shows_both_curves_and_where_it_stopped(folder):
    shown = view(folder, [row("asr", 0.5)], cell({"pruning": [PATH]}, label="BadNets 5%"))
    (axes,) = draw_pruning(shown).axes
    accuracy, success, stop = axes.get_lines()
    assert axes.get_title() == "BadNets 5%"
    assert list(accuracy.get_ydata()) == PATH["accuracy"]
    assert list(success.get_ydata()) == PATH["asr"]
    assert list(success.get_xdata()) == PATH["counts"]
    assert list(stop.get_xdata()) == [8, 8]


def test_tables_of_other_things_draw_neither(folder):
    shown = view(folder, [row("recall", 0.5, condition="test=clean")], cell({}))
    assert draw_detectors(shown) is None
    assert draw_pruning(shown) is None


@pytest.mark.parametrize("broken", [{"asr": [1.0]}, {"accuracy": [0.9, 1.5, 0.6]}, {"chosen": "8"}, {"counts": None}])
def test_a_damaged_path_is_refused(broken):
    stored = cell({"pruning": [PATH]})
    check_cell(stored)
    damaged = copy.deepcopy(stored)
    damaged["result"]["pruning"][0] |= broken
    with pytest.raises(ValueError):  # noqa: PT011 (which words depends on what is broken)
        check_cell(damaged)
