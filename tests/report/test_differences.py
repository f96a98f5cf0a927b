"""Two runs, compared number by number: against tables made by hand, and against a join by pandas."""

import json
import math

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_folder import row, table

from mri_robust.bench.tables import COLUMNS, csv_text
from mri_robust.core.errors import UserError
from mri_robust.report.difference_tables import plain_differences, verdict
from mri_robust.report.differences import compare
from mri_robust.report.number_words import attack_words, number_words

MEASURED = {"value", "ci_low", "ci_high", "n", "paper"}


def write(folder, run=None, **tables):
    """A results folder: a tidy table an experiment, and what `run.json` says beside their names."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in tables.items():
        text = rows if isinstance(rows, str) else csv_text(table(*(each | {"experiment": name} for each in rows)))
        (folder / f"{name}.csv").write_text(text)
    if run is not None:
        (folder / "run.json").write_text(json.dumps({"experiments": list(tables), **run}))
    return folder


def counts(found):
    return {
        each.experiment: (each.equal, len(each.differ), len(each.only_a), len(each.only_b))
        for each in found.experiments
    }


@pytest.fixture
def pair(tmp_path):
    """Writes one table each of two runs, and compares them."""

    def compared(a, b, **options):
        return compare(write(tmp_path / "a", {}, fgsm=a), write(tmp_path / "b", {}, fgsm=b), **options)

    return compared


def test_the_same_numbers_in_another_order_with_other_intervals_are_equal(pair):
    one, other = row("accuracy", 0.5, ci=(0.4, 0.6), paper=0.7), row("f1", None)
    found = pair([one, other], [other, one | {"ci_low": 0.1, "ci_high": 0.9, "paper": 0.8}])
    assert counts(found) == {"fgsm": (2, 0, 0, 0)}
    assert found.same
    assert found.largest == []
    assert verdict(found) == "all 2 numbers are equal"


@pytest.mark.parametrize("column", [name for name in COLUMNS if name not in MEASURED | {"experiment"}])
def test_every_other_column_tells_numbers_apart(column, pair):
    one = row("accuracy", 0.5, epsilon=0.25, alpha=0.125, steps=3)
    found = pair([one], [one | {column: 7 if column in ("seed", "steps", "epsilon", "alpha") else "x"}])
    assert counts(found) == {"fgsm": (0, 0, 1, 1)}
    assert not found.same
    assert column in verdict(found)
    assert pair(
        [one], [one | {column: 7 if column in ("seed", "steps", "epsilon", "alpha") else "x"}], ignore=[column]
    ).same


def test_differences_come_by_their_size_those_without_a_value_first(pair):
    names, ours, theirs = "abcde", [0.5, 0.5, 0.25, None, 0.5], [0.625, 0.5, 1.25, 0.5, 0.25]
    found = pair(*([row(name, value) for name, value in zip(names, values, strict=True)] for values in (ours, theirs)))
    assert [(each.words["metric"], each.difference) for each in found.largest] == [
        *(("d", None), ("c", 1.0), ("e", -0.25), ("a", 0.125)),
    ]
    assert found.largest[0].size == math.inf
    assert counts(found) == {"fgsm": (1, 4, 0, 0)}
    assert verdict(found) == "1 numbers are equal, 4 differ, 0 are only in A, 0 only in B"


@pytest.mark.parametrize(("tolerance", "differ"), [(0.0, 3), (0.0624, 3), (0.0625, 2), (0.125, 1), (1e9, 1)])
def test_a_difference_up_to_the_tolerance_is_none_but_a_missing_value_is_one(tolerance, differ, pair):
    ours = [row("a", 0.5), row("b", 0.5), row("c", 0.5)]
    theirs = [row("a", 0.5625), row("b", 0.375), row("c", None)]
    assert counts(pair(ours, theirs, tolerance=tolerance))["fgsm"] == (3 - differ, differ, 0, 0)


@pytest.mark.parametrize("tolerance", [-1e-9, math.nan, math.inf])
def test_a_tolerance_is_a_number_of_at_least_0(tolerance, pair):
    with pytest.raises(ValueError, match="tolerance must be"):
        pair([], [], tolerance=tolerance)


def test_the_same_value_on_other_images_differs(pair):
    found = pair([row("a", 0.5, n=64), row("b", 0.5, n=64)], [row("a", 0.5, n=128), row("b", 0.5, n=64)], tolerance=1.0)
    assert [(each.words["metric"], each.n_a, each.n_b, each.difference) for each in found.largest] == [
        ("a", "64", "128", 0.0)
    ]


def test_equal_rows_are_matched_in_their_order(pair):
    found = pair([row("a", 0.5), row("a", 0.25), row("a", 1.0)], [row("a", 0.5), row("a", 0.75)])
    assert [(each.a, each.b) for each in found.largest] == [(0.25, 0.75)]
    assert counts(found) == {"fgsm": (1, 1, 1, 0)}


def test_a_number_may_be_written_in_several_ways(tmp_path):
    one = csv_text(table(row("a", 0.5, epsilon=0.25, steps=3, n=10)))
    other = one.replace("0.25", "2.5e-1").replace(",3,", ",3.0,").replace(",10,", ",10.0,").replace("0.5", ".50")
    assert other != one
    assert compare(write(tmp_path / "a", {}, fgsm=one), write(tmp_path / "b", {}, fgsm=other)).same


keys = st.tuples(st.sampled_from("xy"), st.sampled_from([0.0, 1 / 255, 0.5]), st.sampled_from(["accuracy", "f1"]))
numbers = st.dictionaries(keys, st.sampled_from([0.0, 0.25, 0.5]), max_size=12)


@given(numbers, numbers)
def test_it_counts_what_a_join_by_pandas_counts(tmp_path_factory, ours, theirs):
    folder = tmp_path_factory.mktemp("join")
    made = [
        write(folder / name, {}, pgd=[row(metric, v, model=m, epsilon=e) for (m, e, metric), v in run.items()])
        for name, run in (("a", ours), ("b", theirs))
    ]
    on = [name for name in COLUMNS if name not in MEASURED]
    joined = pd.merge(*(pd.read_csv(each / "pgd.csv") for each in made), on=on, how="outer", indicator="side")
    side = joined["side"].value_counts()
    equal = int((joined["value_x"] == joined["value_y"]).sum())
    expected = (equal, int(side["both"]) - equal, int(side["left_only"]), int(side["right_only"]))
    assert counts(compare(*made)) == {"pgd": expected}


def test_experiments_come_in_the_order_of_a_and_then_of_b(tmp_path):
    a = write(tmp_path / "a", {}, pgd=[row("a", 0.5)], fgsm=[row("a", 0.5)])
    b = write(tmp_path / "b", {}, drunk=[row("a", 0.5)], fgsm=[row("a", 0.25)])
    assert list(counts(compare(a, b)).items()) == [
        ("pgd", (0, 0, 1, 0)),
        ("fgsm", (0, 1, 0, 0)),
        ("drunk", (0, 0, 0, 1)),
    ]


def test_only_tables_of_the_last_run_count_and_all_where_none_has_finished(tmp_path):
    a = write(tmp_path / "a", {}, pgd=[row("a", 0.5)])
    write(a, None, stale=[row("a", 0.5)], comparisons="model,other\nx,y\n")
    b = write(tmp_path / "b", None, pgd=[row("a", 0.5)], stale=[row("a", 0.25)], comparisons="model,other\nx,y\n")
    assert counts(compare(a, a)) == {"pgd": (1, 0, 0, 0)}
    assert counts(compare(a, b)) == {"pgd": (1, 0, 0, 0), "stale": (0, 0, 0, 1)}


def test_facts_that_differ_are_named_and_are_no_difference_of_the_numbers(tmp_path):
    facts = {
        **{"versions": {"torch": "2.1", "numpy": "2"}, "machine": {"threads": 1}, "seeds": [42, 43], "scale": "quick"},
        **{"data": {"grey": {"digest": "d0"}}, "cells": {"pgd": ["1"]}, "seconds": 5.0, "command": "x", "computed": 3},
    }
    changed = {
        **{"versions": {"torch": "2.2", "numpy": "2"}, "machine": {"threads": 2}, "seeds": [42], "scale": "quick"},
        **{"data": {"rgb": {"digest": "d1"}}, "cells": {"pgd": ["2"]}, "seconds": 6.0, "command": "y", "computed": 0},
    }
    found = compare(
        write(tmp_path / "a", facts, pgd=[row("a", 0.5)]), write(tmp_path / "b", changed, pgd=[row("a", 0.5)])
    )
    assert set(found.facts) == {
        *(("versions torch", "2.1", "2.2"), ("machine threads", "1", "2"), ("seeds", "43", "")),
        *(("data grey digest", "d0", ""), ("data rgb digest", "", "d1")),
    }
    assert found.same


GOOD = csv_text(table(row("a", 0.5)))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (None, "is missing"),
        ("", "is no tidy table"),
        ("a,b\n1,2\n", "is no tidy table"),
        (GOOD.replace("0.5", "half"), "has no number in value (row 2)"),
        (GOOD.replace("0.5", "nan"), "has no number in value (row 2)"),
        (GOOD + "made,paper\n", "has a row of another length (row 3)"),
        (GOOD + GOOD.splitlines()[1] + ",1\n", "has a row of another length (row 3)"),
        (GOOD + '"open', "cannot be read"),
        (GOOD.replace("made", "\udcff"), "cannot be read"),
        (GOOD + "x" * 200_000, "cannot be read"),
    ],
)
def test_a_table_that_cannot_be_read_is_damaged_and_the_others_are_compared(text, why, tmp_path):
    a = write(tmp_path / "a", {}, made=GOOD, fgsm=[row("a", 0.5)])
    b = write(tmp_path / "b", {}, made=GOOD, fgsm=[row("a", 0.5)])
    file = b / "made.csv"
    file.unlink() if text is None else file.write_bytes(text.encode(errors="surrogateescape"))
    for found in (compare(a, b), compare(b, a)):
        assert found.damaged == (f"{file} {why}",)
        assert counts(found) == {"fgsm": (1, 0, 0, 0)}
        assert not found.same
        assert "1 file could not be compared" in verdict(found)
        json.dumps(plain_differences(found))


@pytest.mark.parametrize("run", ["{", "[]", "null", '{"a":' * 900 + "1" + "}" * 900])
def test_a_damaged_run_leaves_its_tables(run, tmp_path):
    a, b = write(tmp_path / "a", {}, made=GOOD), write(tmp_path / "b", None, made=GOOD)
    (b / "run.json").write_text(run)
    found = compare(a, b)
    assert counts(found) == {"made": (1, 0, 0, 0)}
    assert found.damaged == (f"{b / 'run.json'} is damaged",)


@pytest.mark.parametrize("names", [["../a/made"], ["x" * 5000], ["\0"], [{"a": [1]}], [None], "made", 3])
def test_strange_experiments_in_a_run_lead_nowhere(names, tmp_path):
    a, b = write(tmp_path / "a", {}, made=GOOD), write(tmp_path / "b", {}, other=GOOD)
    (b / "run.json").write_text(json.dumps({"experiments": names}))
    assert counts(compare(a, b)).get("made", (0, 0, 1, 0)) == (0, 0, 1, 0)


def test_what_cannot_be_compared_or_ignored(tmp_path):
    a = write(tmp_path / "a", {}, made=GOOD)
    with pytest.raises(UserError, match="holds no results to compare"):
        compare(a, tmp_path / "nowhere")
    with pytest.raises(UserError, match="cannot ignore 'scael'; did you mean 'scale'"):
        compare(a, a, ignore=["scael"])


def test_a_number_in_words():
    columns = {"experiment": "pgd", "model": "cnn_clean", "attack": "pgd", "epsilon": str(4 / 255), "seed": "42"}
    columns |= {"alpha": str(0.5 / 255), "steps": "10", "condition": "worst-case;share=0.1", "subset": "all"}
    columns |= {"class": "glioma", "metric": "recall", "weights": "", "protocol": "sound"}
    assert attack_words(columns) == "pgd 4/255, 10 × 0.5/255"
    assert attack_words(columns | {"alpha": "", "steps": ""}) == "pgd 4/255"
    assert attack_words(columns | {"attack": "none"}) == "clean"
    assert attack_words(columns | {"attack": "drunk", "epsilon": "", "alpha": "", "steps": ""}) == "drunk"
    assert number_words(columns) == (
        "pgd · sound · seed 42 · CNN_clean · pgd 4/255, 10 × 0.5/255 · worst-case, share 0.1 · all images"
        " · glioma recall"
    )
    without = ["protocol", "seed", "attack", "epsilon", "alpha", "steps", "subset"]
    assert number_words(columns, without) == "pgd · CNN_clean · worst-case, share 0.1 · glioma recall"
