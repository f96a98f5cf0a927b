"""The table of pairs, against counts made by hand and against the functions that it rests on."""

import numpy as np
import pytest

from mri_robust.bench.comparisons import comparison_table
from mri_robust.evaluation.significance import mcnemar, paired_bootstrap
from mri_robust.study.cell import Cell
from mri_robust.study.recipe import Recipe


def cell(model, seed=42, epsilon=0.1, **line):
    words = {"experiment": "fgsm", "protocol": "sound", "model": model, "seed": seed}
    shot = {"attack": "fgsm", "epsilon": epsilon, "alpha": None, "steps": None, "condition": "", **line}
    recipe = Recipe(model=model, architecture="cnn", image_size=16, channels="grey", seed=seed)
    return Cell("evasion", recipe, "0", {}, words=words, lines=(shot,))


def compared(*pairs):
    table = comparison_table([(made, {"rows": [[]], "right": [right]}) for made, right in pairs])
    return table.to_dict("records")


def test_counts_by_hand():
    [row] = compared((cell("a"), "11110000"), (cell("b"), "11001000"))
    assert (row["model"], row["other"], row["n"], row["seeds"]) == ("a", "b", 8, 1)
    assert row["difference"] == pytest.approx(1 / 8)  # 4 right against 3
    assert (row["only_model"], row["only_other"]) == (2, 1)
    assert row["p_mcnemar"] == pytest.approx(1.0)  # 2 against 1: (1 + 3) / 8, twice
    assert row["ci_low"] <= row["difference"] <= row["ci_high"]


def test_other_attacks_protocols_and_conditions_are_never_paired():
    assert compared((cell("a"), "10"), (cell("b", epsilon=0.2), "01")) == []
    assert compared((cell("a"), "10"), (cell("b", condition="worst-case"), "01")) == []


def test_models_measured_on_another_number_of_images_are_not_paired():
    assert compared((cell("a"), "101"), (cell("b"), "01")) == []


def test_seeds_are_paired_with_each_other_and_mcnemar_is_the_first_ones():
    chance = np.random.default_rng(0)
    ours, theirs = chance.random((2, 50)) < 0.8, chance.random((2, 50)) < 0.5
    text = {True: "1", False: "0"}
    cells = [
        (cell(name, seed), "".join(text[bool(hit)] for hit in rows[index]))
        for name, rows in (("a", ours), ("b", theirs))
        for index, seed in enumerate((42, 43))
    ]
    [row] = compared(*cells)
    expected, test = paired_bootstrap(ours, theirs), mcnemar(ours[0], theirs[0])
    assert (row["difference"], row["ci_low"], row["ci_high"]) == (expected.mean, expected.low, expected.high)
    assert (row["only_model"], row["only_other"], row["p_mcnemar"]) == (test.b, test.c, test.p_value)
    assert row["seeds"] == 2


def test_a_cell_without_verdicts_by_image_gives_no_row():
    assert comparison_table([(cell("a"), {"rows": [[]]}), (cell("b"), {"rows": [[]]})]).empty
