"""Figures show what the rows and artefacts of a results folder hold, and only that."""

import base64
import io
import xml.etree.ElementTree as ElementTree
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.text import Text
from PIL import Image

from mri_robust.report.figures import KINDS, draw_all, save
from mri_robust.report.figures.accuracy import SWEEP, gather
from mri_robust.report.figures.style import COLOURS, MAIN, looks, words
from mri_robust.study.results_folder import ResultsFolder

LABELS = {"experiment": "made", "protocol": "sound", "seed": 42, "model": "cnn_clean"}
SIZES = ("epsilon", "alpha", "steps")
HOSTILE = "_a$b\\x{^ \x1b[31m\udcff <b>&" + "long " * 60
Rows = list[dict[str, Any]]


def number(value: float, **columns: Any) -> dict[str, Any]:
    """A row of a table."""
    about = {**LABELS, "weights": "", "attack": "none", "subset": "all", "class": "", "metric": "accuracy"}
    bounds = {"ci_low": value - 0.01, "ci_high": value + 0.02, "n": 100, "paper": None}
    return {**about, "value": value, **bounds, **dict.fromkeys(SIZES), **columns}


def drawn(
    path: Path, rows: Rows, *artefacts: tuple[Any, Any], models: tuple[str, ...] = (), row_key: tuple[str, ...] = ()
) -> Any:
    """The figures of an experiment with these rows, and artefacts of evaluations labelled so."""
    results, evaluations = ResultsFolder(path), []
    for place, (labels, kinds) in enumerate(artefacts):
        evaluations.append({**LABELS, **labels, "digest": f"{place:016x}"})
        results.put(evaluations[-1]["digest"], {"rows": [], "artefacts": kinds}, {})
    other = number(0.5, protocol="paper", epsilon=0.5, attack="fgsm", epoch=1)
    results.write_table("made", pd.DataFrame([*rows, other]))
    results.write_json("run", {"seeds": [42], "evaluations": evaluations})
    description = {"name": "made", "title": "Made, 1$ and $2", "models": list(models), "row_key": list(row_key)}
    return draw_all(results, description, "sound")


def lines(axes: Axes, *, marked: bool = True) -> dict[str, list[tuple[float, float]]]:
    """Label -> the points of a line, without those that hold no number."""
    own = [line for line in axes.lines if not marked or line.get_marker() not in ("None", "")]
    return {str(line.get_label()): [p for p in map(tuple, line.get_xydata()) if np.isfinite(p[1])] for line in own}  # type: ignore[union-attr,misc]


def ticks(axes: Axes) -> list[str]:
    return [label.get_text() for label in axes.get_xticklabels()]


def attacked(model: str, *values: float, attack: str = "fgsm", **columns: Any) -> Rows:
    """Clean accuracy, and accuracy at 1, 2, 4, ... /255."""
    clean, *rest = values
    rows = [number(clean, model=model, epsilon=0.0)]
    return rows + [
        number(value, model=model, attack=attack, epsilon=2**place / 255, **columns) for place, value in enumerate(rest)
    ]


def test_accuracy_over_epsilon_is_a_line_per_model_with_bands_and_the_study_hollow(tmp_path: Path) -> None:
    rows = [*attacked("cnn_pgd", 0.9, 0.8, 0.6), *attacked("my net", 0.7, 0.2, 0.1)]
    rows[1] |= {"paper": 0.83, "printed": 0.1}
    other = [{**row, "seed": 43, "value": row["value"] + 0.1} for row in rows if row["model"] == "cnn_pgd"]
    figures = drawn(tmp_path, [*rows, *other], models=("my net", "cnn_pgd"))
    assert list(figures) == ["accuracy"]
    [axes] = figures["accuracy"].axes
    found = lines(axes)
    assert list(found) == ["my net", "CNN_PGD", "_study"]
    assert found["CNN_PGD"] == [(0, pytest.approx(0.95)), (1, pytest.approx(0.85)), (2, pytest.approx(0.65))]
    assert found["my net"] == [(0, 0.7), (1, 0.2), (2, 0.1)]
    assert found["_study"] == [(1, 0.83)]
    assert ticks(axes) == ["0", "1", "2"]
    band = axes.collections[0].get_paths()[0].vertices
    assert {(0, 0.69), (0, 0.72), (2, 0.12)} <= {tuple(np.round(point, 3)) for point in band}


def test_rows_that_epsilon_does_not_tell_apart_stand_beside_each_other(tmp_path: Path) -> None:
    rows = [number(0.9, model=model, epsilon=0.0) for model in ("cnn_clean", "ensemble")]
    for place, (eps, alpha) in enumerate(((8, 2), (4, 2), (4, 1))):
        sizes = {"attack": "pgd", "epsilon": eps / 255, "alpha": alpha / 255, "steps": 5}
        rows.append(number(0.5 + place / 10, **sizes, paper=0.3, printed=f"{eps / 46:g} / {alpha / 46:g} / 5"))
        rows.append(number(0.7, **sizes, model="ensemble"))  # whose field the study left empty
    for after, value in (("pgd", 0.4), ("square", 0.3)):
        rows.append(number(value, attack="worst-case", epsilon=4 / 255, alpha=1 / 255, after=after))
    pgd, worst = drawn(tmp_path, rows)["accuracy"].axes
    assert [label.split("\n")[0] for label in ticks(pgd)] == ["clean", "4", "4", "8"]
    places = [round(x) for x, _ in lines(pgd)["Ensemble"]]
    assert sorted(places) == [0, 1, 2, 3]
    assert sorted((round(x), y) for x, y in lines(pgd)["CNN_clean"]) == [(0, 0.9), (1, 0.6), (2, 0.7), (3, 0.5)]
    assert lines(worst)["CNN_clean"] == [(0, 0.9), (pytest.approx(4), 0.3)]  # what the last attack leaves


def test_artefacts_have_a_panel_each_from_clean_on_beside_the_worst_case(tmp_path: Path) -> None:
    rows = attacked("cnn_clean", 0.9, 0.5, 0.1, attack="worst-case", after="pgd")
    rows += [number(v, attack=a, severity=s) for a in ("bias-field", "spike") for s, v in ((1, 0.8), (2, 0.7))]
    rows.append(number(0.75, attack="artefacts"))
    figures = drawn(tmp_path, rows)
    assert list(figures) == ["artefacts"]
    bias, spike, worst = figures["artefacts"].axes
    assert [each.get_title() for each in (bias, spike, worst)] == ["bias-field", "spike", "worst case"]
    assert lines(spike) == {"CNN_clean": [(0, 0.9), (1, 0.8), (2, 0.7)]}
    assert ticks(spike) == ["clean", "1", "2"]
    assert lines(worst)["CNN_clean"] == [(0, 0.9), (1, 0.5), (2, 0.1)]


def test_each_norm_has_panels_and_axes_of_its_own(tmp_path: Path) -> None:
    rows = attacked("cnn_clean", 0.9, 0.5, 0.1, norm="linf")
    sizes = ((0.125, 0.7), (0.5, 0.2))
    for attack in ("fgsm", "worst-case"):
        rows += [number(v, model="cnn_clean", attack=attack, norm="l2", epsilon=eps) for eps, v in sizes]
    pixels, fgsm, worst = drawn(tmp_path / "attacks", rows)["accuracy"].axes
    assert lines(pixels)["CNN_clean"] == [(0, 0.9), (1, 0.5), (2, 0.1)]
    for axes in (fgsm, worst):
        assert lines(axes)["CNN_clean"] == [(0, 0.9), *sizes]
        assert ticks(axes) == ["0", "0.125", "0.5"]
        assert all("L2" in text for text in (axes.get_title(), axes.get_xlabel()))
    assert not any("L2" in text for text in (pixels.get_title(), pixels.get_xlabel()))
    spoilt = [number(0.8, attack="spike", severity=1), *rows]
    *_, beside = drawn(tmp_path / "artefacts", spoilt)["artefacts"].axes
    assert lines(beside)["CNN_clean"] == [(0, 0.9), *sizes]


def curve(test: list[float], training: list[float] = [], **factors: Any) -> Rows:  # noqa: B006
    kinds = (("all", test), ("training", training))
    return [number(v, subset=s, epoch=e, **factors) for s, values in kinds for e, v in enumerate(values, start=1)]


def test_few_trainings_share_one_panel(tmp_path: Path) -> None:
    rows = curve([0.4, 0.6], [0.5, 0.7], start="scratch") + curve([0.9, 0.8], start="cnn_clean")
    axes, key = drawn(tmp_path, rows)["curves"].axes
    found = [(line.get_linestyle(), list(line.get_ydata())) for line in axes.lines if len(line.get_ydata())]
    assert found == [("-", [0.4, 0.6]), ("--", [0.5, 0.7]), ("-", [0.9, 0.8])]
    assert [text.get_text() for text in key.get_legend().get_texts()] == ["start scratch", "start cnn_clean"]


def test_sweeps_have_a_row_of_panels_each_and_the_others_one_with_a_key(tmp_path: Path) -> None:
    rows: Rows = []
    for strength in (3, 1, 2):
        rows += curve([0.5, 1 / strength], [0.6], scale_strength=strength, perturbation=strength)
    rows += curve([0.2, 0.3], [0.1], scale_strength=1, perturbation=0)
    figure = drawn(tmp_path, rows)["curves"]
    test, training, last, other, _, key = figure.axes
    assert [len(each.lines) for each in (test, training, other)] == [3, 3, 1]
    ends = [list(map(tuple, line.get_xydata())) for line in last.lines]
    assert ends == [[(1, 1.0), (2, 0.5), (3, 1 / 3)], [(1, 0.6), (2, 0.6), (3, 0.6)]]
    assert last.get_xlabel() == "scale strength = perturbation"
    assert ticks(last) == ["1", "2", "3"]
    assert len(key.get_legend().get_texts()) == 1


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4), st.sampled_from("ab")), min_size=1, unique=True))
def test_every_training_is_in_one_group_whose_members_differ_in_one_number(rows: list[tuple[int, int, str]]) -> None:
    trainings = pd.DataFrame(rows, columns=["scale", "perturbation", "start"])
    groups = gather(trainings)
    assert sorted(place for _, group in groups for place in group.index) == list(range(len(rows)))
    for tied, group in groups:
        if tied:
            numbers = group[tied[0]].tolist()
            assert all(low < high for low, high in pairwise(numbers))
            assert len(group) >= SWEEP
            assert all((group[name] == group[tied[0]]).all() for name in tied)
            assert all(group[name].nunique() == 1 for name in trainings if name not in tied)


def matrix(name: str, counts: Any = ((8, 2), (0, 0))) -> dict[str, Any]:
    return {"name": name, "classes": ["no$\\pattern$", "_b"], "counts": [list(row) for row in counts]}


def test_confusion_prints_counts_and_colours_shares_of_the_true_class(tmp_path: Path) -> None:
    kinds = {"confusion": [matrix("test=clean"), matrix("test=mix", ((1, 3), (5, 0)))]}
    figure = drawn(tmp_path, [number(0.5, share=0.1)], ({"share": 0.1}, kinds), ({"share": 0.2}, kinds))["confusion"]
    clean, mix, *_ = figure.axes
    assert [text.get_text() for text in mix.texts] == ["1", "3", "5", "0"]
    np.testing.assert_allclose(mix.images[0].get_array(), [[0.25, 0.75], [1, 0]])
    np.testing.assert_allclose(clean.images[0].get_array(), [[0.8, 0.2], [0, 0]])
    titles = [f"share {share}, test {test}" for share in ("0.1", "0.2") for test in ("clean", "mix")]
    assert [each.get_title() for each in figure.axes] == titles
    assert clean.get_gridspec().get_geometry() == (2, 2)


@pytest.mark.parametrize(("count", "shape"), [(1, (1, 1)), (5, (2, 4)), (14, (3, 4))])
def test_more_than_twelve_matrices_are_counted_not_drawn(count: int, shape: tuple[int, int], tmp_path: Path) -> None:
    entries = [({"share": place}, {"confusion": [matrix("")]}) for place in range(count)]
    figure = drawn(tmp_path, [number(0.5, share=0)], *entries)["confusion"]
    assert figure.axes[0].get_gridspec().get_geometry() == shape
    assert sum(axes.get_visible() for axes in figure.axes) == min(count, 12)
    assert ("2 more" in figure.get_supxlabel()) == (count > 12)


def test_roc_curves_mark_the_chosen_threshold_and_have_their_models_colour(tmp_path: Path) -> None:
    plain = {"name": "seen", "fpr": [0, 0.2, 1], "tpr": [0, 0.9, 1], "auc": 0.85}
    entries = [({"model": "cnn_pgd"}, {"roc": [plain | {"point": [0.2, 0.9]}, plain | {"name": "held out"}]})]
    entries.append(({"model": "other"}, {"roc": [plain | {"auc": 0.5}]}))
    [axes] = drawn(tmp_path, [number(0.5)], *entries)["roc"].axes
    curves = [line for line in axes.lines if len(line.get_xdata()) == 3]
    assert [list(line.get_ydata()) for line in curves] == [[0, 0.9, 1]] * 3
    assert [to_hex(line.get_color()).upper() for line in curves] == [COLOURS[2], COLOURS[2], COLOURS[0]]
    assert curves[0].get_linestyle() != curves[1].get_linestyle()
    assert [p for line in axes.lines if line.get_marker() == "o" for p in map(tuple, line.get_xydata())] == [(0.2, 0.9)]
    told = [text.get_text() for text in axes.get_legend().get_texts()[:3]]
    assert told == ["CNN_PGD, seen\nAUC 0.850", "CNN_PGD, held out\nAUC 0.850", "other, seen\nAUC 0.500"]


def test_extraction_has_curves_over_the_budget_and_single_thefts_as_dots(tmp_path: Path) -> None:
    asked = {"metric": "fidelity", "attack": "Knockoff Nets", "thief": "ART"}
    rows = [number(b / 1000, **asked, queries="noise", budget=b) for b in (100, 500)]
    rows += [number(0.7, **asked, queries="noise", budget=500, answers="rounded")]
    rows += [number(0.2, metric="fidelity", thief="untrained copy")]
    curves, dots = drawn(tmp_path, rows)["extraction"].axes
    assert list(lines(curves).values()) == [[(100, 0.1), (500, 0.5)]]
    assert ticks(curves) == ["100", "500"]
    names = [label.get_text() for label in dots.get_yticklabels()]
    assert len(names) == 3
    assert "rounded" in names[1]
    assert names[2] == "untrained copy"
    assert [x for x, _ in lines(dots)["CNN_clean"]] == [0.5, 0.7, 0.2]  # the curve's point that another one varies


def test_models_whose_names_shorten_alike_stay_apart(tmp_path: Path) -> None:
    asked = {"metric": "fidelity", "attack": "Knockoff Nets", "queries": "noise"}
    models = [f"timm_{'x' * 60}_{end}" for end in "ab"]
    sizes = zip(models, (50, 90), strict=True)
    rows = [number(v / b, model=m, budget=b, **asked) for m, v in sizes for b in (100, 200)]
    first, second, _ = drawn(tmp_path, rows)["extraction"].axes
    assert [*lines(first).values(), *lines(second).values()] == [[(100, 0.5), (200, 0.25)], [(100, 0.9), (200, 0.45)]]
    assert first.get_title() != second.get_title()


def test_detectors_have_a_row_each_and_pruning_its_stop(tmp_path: Path) -> None:
    where = {"detector": "strip", "rule": "", "set": "test", "attack": "badnets"}
    rows = [number(v, metric=m, share=s, **where) for s in (0.1, 0.2) for m, v in (("recall", s * 4), ("fpr", 0.3))]
    rows += [number(0.1, metric="fpr", share=0.2, **(where | {"detector": "spectral"}))]
    for channels, asr in ((0, 1.0), (8, 0.2)):
        at = {"attack": "badnets", "subset": "drawn", "channels": channels, "chosen": channels == 8, "share": 0.1}
        rows += [number(0.9, **at), number(asr, metric="asr", **at)]
    figures = drawn(tmp_path, rows)
    assert list(figures) == ["detectors", "pruning"]
    first, second = figures["detectors"].axes
    assert [first.get_title(), second.get_title()] == ["CNN_clean, share 0.1", "CNN_clean, share 0.2"]
    assert [label.get_text() for label in first.get_yticklabels()] == ["strip, set test", "spectral, set test"]
    found = {name: [x for x, _ in points] for name, points in lines(second).items()}
    assert found == {"recall": [0.8], "false alarms": [0.3, 0.1]}
    [axes] = figures["pruning"].axes
    assert lines(axes)["attack success"] == [(0, 1.0), (8, 0.2)]
    assert [list(line.get_xdata()) for line in axes.lines if line.get_linestyle() == ":"] == [[8, 8]]


def picture(grey: int, **facts: Any) -> dict[str, Any]:
    """A cell of a strip: a flat image."""
    buffer = io.BytesIO()
    Image.new("L", (8, 8), grey).save(buffer, format="PNG")
    return {"image": base64.b64encode(buffer.getvalue()).decode(), "caption": "b 90%", **facts}


def box(page: Image.Image, colour: tuple[int, int, int]) -> list[int]:
    """[top, left, bottom, right] round what has a colour, without letters."""
    mask = (np.asarray(page) == colour).all(-1)
    rows, columns = (np.flatnonzero(mask.sum(axis) > 50).tolist() for axis in (1, 0))
    return [rows[0], columns[0], rows[-1] + 1, columns[-1] + 1]


def test_sheets_of_several_models_stand_side_by_side_and_equal_ones_once(tmp_path: Path) -> None:
    one, other = ([{"name": str(n), "cells": [picture(grey + n)]} for n in range(2)] for grey in (60, 90))
    entries = [({"model": model}, {"sheet": strips}) for model, strips in (("a", one), ("b", one), ("c", other))]
    page = drawn(tmp_path, [number(0.5)], *entries)["sheet"]
    first, below, beside = (box(page, (grey,) * 3) for grey in (60, 61, 90))
    assert first[1] == below[1] < first[3] < beside[1]
    assert first[0] == beside[0] < first[2] < below[0]
    assert (np.asarray(page) == 60).all(-1).sum() < 1.1 * 112**2
    save(page, tmp_path / "sheet")
    assert np.array_equal(np.asarray(Image.open(tmp_path / "sheet.png")), np.asarray(page))


def test_a_gallery_frames_right_and_wrong_answers_and_shows_what_changed_in_the_first_image(tmp_path: Path) -> None:
    cells = [picture(100, predicted="a", epsilon=0, change=0), picture(110, predicted="b", epsilon=0.1, change=0.04)]
    cells = [{**cell, "norm": "l2"} for cell in cells]
    strip = {"name": "file", "label": "a", "cells": cells}
    page = drawn(tmp_path, [number(0.5)], ({}, {"gallery": [strip, strip | {"name": "other"}]}))["gallery"]
    right, wrong = box(page, (0, 0x9E, 0x73)), box(page, (0xD5, 0x5E, 0))
    clean, attacked, change = box(page, (100,) * 3), box(page, (110,) * 3), box(page, (128,) * 3)
    assert right[1] < clean[1] < wrong[1] < attacked[1]
    assert ((np.asarray(page) == 128).all(-1)).sum() >= 112**2  # no change
    assert change[0] > clean[0]


def test_nothing_to_draw_draws_nothing_and_the_other_protocol_is_not_drawn(tmp_path: Path) -> None:
    empty = {"confusion": [], "roc": [], "sheet": [], "gallery": []}
    assert drawn(tmp_path, [number(0.5), number(0.5, attack="none", epsilon=0.0)], ({}, empty)) == {}
    assert {"accuracy", "curves", "gallery", "sheet"} <= set(KINDS)


@given(st.lists(st.sampled_from([*MAIN, "own", "second", "third"]), max_size=8, unique=True))
def test_main_models_keep_their_looks_and_no_two_share_one(models: list[str]) -> None:
    found = looks(models)
    assert len(set(found.values())) == len(models)
    assert all(found[name] == looks(MAIN)[name] for name in models if name in MAIN)


@given(st.text(max_size=80), st.text(max_size=300))
def test_names_are_printable_short_and_never_hidden(name: str, value: str) -> None:
    text = words({"model": value, name: value}, ["model", name], name, width=30)
    assert len(text.splitlines()) <= 4
    assert all(len(line) <= 30 and line.isprintable() for line in text.split("\n"))
    assert not text.startswith("_")


def everything(path: Path) -> Any:
    """Figures of every kind that has lines, with names from a hostile folder."""
    rows = attacked(HOSTILE, 0.9, 0.8, 0.6, 0.3) + curve([0.1], [0.2], start=HOSTILE)
    rows += [number(0.4, metric="recall", detector=HOSTILE, rule="", set="test", model=HOSTILE)]
    rows += [number(0.4, metric="fidelity", attack=HOSTILE, budget=b, queries=HOSTILE) for b in (100, 500, 1000)]
    curves = {"name": HOSTILE, "fpr": [0, 1], "tpr": [0, 1], "auc": 0.5}
    kinds = {"confusion": [matrix(HOSTILE) | {"classes": [HOSTILE, "b"]}], "roc": [curves]}
    return drawn(path, rows, ({"model": HOSTILE}, kinds), models=(HOSTILE,))


def test_files_are_whole_equal_and_readable(tmp_path: Path) -> None:
    for place in ("one", "two"):
        for name, figure in everything(tmp_path / place).items():
            save(figure, tmp_path / place / name)
            first = (tmp_path / place / f"{name}.svg").read_bytes()
            save(figure, tmp_path / place / name)
            assert (tmp_path / place / f"{name}.svg").read_bytes() == first
            sizes = [text.get_fontsize() for text in figure.findobj(Text) if text.get_text()]
            assert min(sizes) >= 8
            for axes in figure.axes:
                labels = [each.get_window_extent() for each in axes.get_xticklabels() if each.get_text()]
                assert axes.images or all(left.x1 <= right.x0 for left, right in pairwise(labels)), name
    files = sorted((tmp_path / "one").glob("*.*g"))
    assert len(files) == 2 * 6
    for path in files:
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()
    svg = (tmp_path / "one" / "accuracy.svg").read_text(encoding="utf-8")
    texts = [each.text for each in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]
    assert "Made, 1$ and $2: protocol sound" in texts
    assert "<dc:date>" not in svg
