"""The tables of an experiment: every number in its place, however the table came."""

import io

import numpy as np
import pandas as pd
import pytest
from a_run import BACKDOOR, BREAKING, NASTY, PGD, ROWS, SIZES, SNOOPING, experiment, fill, row
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from mri_robust.report import experiment as exp
from mri_robust.report.content import meanings
from mri_robust.report.metrics import METRICS, model_title
from mri_robust.report.tables import Cell, Table, labelled_table, print_table, table_markdown, table_of
from mri_robust.study.epsilon import epsilon_text

PLAIN = experiment("made", ("start", "strength"))


def tables(described, rows):
    return exp.experiment_tables(described.description(), exp.prepare(pd.DataFrame(rows), described.description()))


def compared(described, rows):
    return exp.comparisons(described.description(), exp.prepare(pd.DataFrame(rows), described.description()))


def texts(table, *heads):
    """The texts of some columns, row by row."""
    places = [table.heads.index(head) for head in heads or table.heads]
    return [tuple(row[place].text for place in places) for row in table.rows]


def test_models_stand_side_by_side_one_table_per_metric_both_protocols_below_each_other():
    accuracy, missed = tables(PGD, ROWS[PGD]())
    assert (accuracy.heads, accuracy.texts) == (("attack", "protocol", "CNN_clean", "CNN_PGD"), 2)
    assert texts(accuracy)[:4] == [
        ("clean", "sound", "0.900", "0.850"),
        ("clean", "paper", "0.900", "0.850"),
        ("pgd 0.255/255, 5 × 0.128/255", "sound", "0.700", "0.800"),
        ("pgd 0.255/255, 5 × 0.128/255", "paper", "0.300", "0.400"),
    ]
    assert texts(accuracy, "CNN_clean")[4:] == [(f"{value:.3f}",) for value in (0.51, 0.5, 0.31, 0.3, 0.11, 0.1)]
    assert texts(accuracy, "attack")[-1] == ("worst-case 4/255, 40 × 1/255, after square",)
    assert accuracy.rows[2][0].below.endswith("0.01 / 0.001 / 5")
    assert (accuracy.rows[2][2].study, accuracy.rows[2][2].below) == ("0.31", "[0.650, 0.750]")
    assert accuracy.rows[4][2].study == ""
    assert texts(missed, "protocol", "CNN_PGD")[1:3] == [("sound", "0.100"), ("paper", "0.300")]
    assert [table.metrics for table in (accuracy, missed)] == [(("accuracy", "all"),), (("missed_tumour_rate", "all"),)]


def test_models_that_the_study_attacked_differently_share_its_printed_row():
    rows = []
    for model, eps in (("cnn_clean", 0.02), ("cnn_raw", 0.1)):
        own = {"model": model, "attack": "fgsm", "epsilon": eps}
        rows += [row("accuracy", eps, **own, printed="0.1", paper=0.5), row("missed_tumour_rate", 2 * eps, **own)]
    accuracy, missed = tables(PGD, rows)
    assert texts(accuracy, "CNN_clean", "CNN_raw") == [("0.020", "0.100")]
    assert texts(missed, "CNN_clean", "CNN_raw") == [("0.040", "0.200")]


def test_metrics_are_columns_in_their_order_empty_and_constant_labels_are_none():
    one = {"start": "scratch", "strength": 1.2}
    rows = [row("novel_rate", 0.25, **one), row("missed_tumour_rate", 0.5, **one)]
    rows += [row("accuracy", 0.5, **one, ci_low=0.25, ci_high=0.75), row("accuracy", 0.5, **one, subset="leak-free")]
    rows += [row("accuracy", value, start="scratch", strength=size) for size, value in ((2.0, 0.75), (3.0, None))]
    [table] = tables(PLAIN, rows)
    assert table.heads == ("strength", "accuracy", "accuracy, leak-free", "missed tumours", "novel rate")
    assert texts(table) == [("1.2", "0.500", "0.500", "0.500", "0.250"), ("2", "0.750", "", "", "")]
    assert [cell.below for cell in table.rows[0]] == ["", "[0.250, 0.750]", "", "", ""]
    assert all(word in table.caption for word in ("CNN_made", "scratch", "sound"))


def test_epsilons_rise_within_a_model_whatever_order_the_rows_have():
    assert tables(PGD, sorted(ROWS[PGD](), key=lambda each: -each["epsilon"]))[0] == tables(PGD, ROWS[PGD]())[0]
    mixed = [row("accuracy", eps, model=m, attack="fgsm", epsilon=eps) for m in "ba" for eps in (0.25, 0.125)]
    [table] = tables(experiment("made", SIZES), mixed)
    assert texts(table, "model", "accuracy") == [(m, text) for m in "ba" for text in ("0.125", "0.250")]


def test_epsilons_of_two_norms_stand_apart_each_in_its_unit():
    sizes = {"linf": 1 / 255, "l2": 0.25}
    rows = [row("accuracy", 0.9, epsilon=0.0)]
    for norm, eps in sizes.items():
        asked = {"attack": "pgd", "norm": norm, "steps": 10}
        rows += [row("accuracy", n / 10, **asked, epsilon=n * eps, alpha=n * eps / 4) for n in (2, 1)]
    [table] = tables(experiment("made", ("attack", "norm", "epsilon")), rows)
    assert texts(table, "attack", "accuracy") == [
        *(("clean", "0.900"), ("pgd 0.25 (L2), 10 × 0.0625", "0.100"), ("pgd 0.5 (L2), 10 × 0.125", "0.200")),
        *(("pgd 1/255, 10 × 0.25/255", "0.100"), ("pgd 2/255, 10 × 0.5/255", "0.200")),
    ]
    said = {"other": "b", "difference": 0.1, "ci_low": 0.0, "ci_high": 0.2}
    said |= {"only_model": 1, "only_other": 1, "p_mcnemar": 0.5}
    pairs = exp.pairs_table(PLAIN.description(), pd.DataFrame([each | said for each in rows]))
    assert texts(pairs, "attack") == [(each,) for each in ("pgd 2/255, 10 × 0.5/255", "pgd 0.5 (L2), 10 × 0.125")]


def test_the_values_of_a_factor_stand_side_by_side_one_table_per_metric():
    described = experiment("made", ("attack", "epsilon", "stored"), "stored")
    asked = [(model, eps, stored) for model in "ab" for eps in (0.0, 1 / 255) for stored in ("none", "jpeg")]
    number = {each: place / 10 for place, each in enumerate(asked, start=1)}
    rows = [
        row(metric, value / factor, model=model, attack="pgd" if eps else "none", epsilon=eps, stored=stored)
        for (model, eps, stored), value in number.items()
        for metric, factor in (("accuracy", 1), ("survived", 10))
    ]
    accuracy, survived = tables(described, rows)
    assert accuracy.heads == ("model", "attack", "none", "jpeg")
    assert texts(accuracy) == [
        (model, "pgd 1/255" if eps else "clean", *(f"{number[model, eps, stored]:.3f}" for stored in ("none", "jpeg")))
        for model in "ab"
        for eps in (0.0, 1 / 255)
    ]
    assert texts(survived, "none")[0] == ("0.010",)
    assert [table.metrics for table in (accuracy, survived)] == [(("accuracy", "all"),), (("survived", "all"),)]


def test_a_region_stands_beside_the_attack_and_tells_rows_apart():
    regions = {"all": "pgd 1/255", "head": "pgd 1/255, head only"}
    rows = [row("accuracy", 0.5, attack="pgd", norm="linf", region=name, epsilon=1 / 255) for name in regions]
    [table] = tables(experiment("made", ("attack", "norm", "region", "epsilon")), rows)
    assert texts(table, "attack") == [(said,) for said in regions.values()]


def test_columns_without_a_number_are_left_out():
    assert table_of("", [{"a": "x", "b": "–"}, {"a": "y", "b": ""}]).heads == ("a",)
    rows = [(Cell("x"), Cell("–"), Cell("1")), (Cell("y"), Cell("–"), Cell("–"))]
    made = labelled_table("", ("a", "b", "c"), rows, 1)
    assert (made.heads, texts(made)) == (("a", "c"), [("x", "1"), ("y", "–")])


def test_classes_have_a_table_of_their_own_below():
    overall, classes = tables(BACKDOOR, ROWS[BACKDOOR]())
    assert overall.heads == ("model", "share", "test", "protocol", "accuracy", "attack success")
    assert texts(overall, "model", "share", "attack success")[-1] == ("CNN_BadNets", "0.1", "0.600")
    assert texts(classes, "class", "recall") == [(NASTY, "0.500"), (NASTY, "0.375"), (BREAKING, "0.250")]
    assert (overall.folded, classes.folded) == (False, True)


def test_over_seeds_mean_spread_and_mean_bounds():
    values = {1: 0.5, 2: 0.7, 3: 0.9}
    rows = [row("accuracy", each, seed=seed, ci_low=each - 0.1, ci_high=each + 0.1) for seed, each in values.items()]
    [table] = tables(PLAIN, rows)
    spread = np.std(list(values.values()), ddof=1)
    assert (table.rows[0][-1].text, table.rows[0][-1].below) == (f"0.700 ± {spread:.3f}", "[0.600, 0.800]")
    [table] = tables(PLAIN, [*rows, row("accuracy", 0.9, seed=9)])
    assert table.rows[0][-1].below == ""  # one seed without an interval


def test_rows_that_the_row_key_does_not_tell_apart_are_refused_but_the_clean_ones():
    with pytest.raises(ValueError, match="made"):
        tables(PLAIN, [row("accuracy", 0.5, attack="fgsm", epochs=1), row("accuracy", 0.6, attack="fgsm", epochs=2)])
    [table] = tables(PLAIN, [row("accuracy", 0.5), row("accuracy", 0.5)])
    assert texts(table, "accuracy") == [("0.500",)]


def test_of_a_training_curve_the_last_training_accuracy_is_shown():
    curve = [
        row(metric, value + epoch / 10, epoch=epoch, subset=subset, strength=1.0)
        for metric, subset, value in (("accuracy", "all", 0.1), ("accuracy", "training", 0.5), ("loss", "training", 3))
        for epoch in (1, 2, 3)
    ]
    [table] = tables(PLAIN, [row("accuracy", 0.9, strength=1.0), *curve])
    assert (table.heads[1:], texts(table)) == (("accuracy", "accuracy, training"), [("CNN_made", "0.900", "0.800")])


def test_the_study_stands_beside_paper_and_sound_with_the_differences():
    table = exp.comparison_table(compared(BACKDOOR, ROWS[BACKDOOR]()))
    assert table.heads == ("class", "metric", "study", "paper", "paper − study", "sound", "sound − paper")
    assert texts(table) == [
        ("all classes", "accuracy", "0.37", "0.300", "−0.070", "0.800", "+0.500"),
        (NASTY, "recall", "0.40", "0.375", "−0.025", "0.500", "+0.125"),
        (BREAKING, "recall", "0.60", "–", "–", "0.250", "–"),
    ]
    printed = exp.comparison_table(compared(PGD, ROWS[PGD]()))
    assert texts(printed, "model", "study", "paper", "sound") == [
        ("CNN_clean", "0.31", "0.300", "0.700"),
        ("CNN_PGD", "0.31", "0.400", "0.800"),
    ]
    assert "pgd 0.255/255" in printed.caption  # the study's row, in the unit of all others
    assert exp.comparison_table(compared(PLAIN, [row("accuracy", 0.5)])) is None


def test_a_resnet_from_other_weights_is_shown_in_brackets_and_not_compared():
    [found] = compared(SNOOPING, ROWS[SNOOPING]())
    assert (found.comparable, found.gap, found.value("paper")) == (False, None, 0.45)
    table = exp.comparison_table([found])
    assert "paper − study" not in table.heads
    assert texts(table, "study", "sound − paper") == [("(0.54)", "+0.050")]
    imagenet = [{**each, "weights": "imagenet"} for each in ROWS[SNOOPING]()]
    assert compared(SNOOPING, imagenet)[0].gap == pytest.approx(-0.09)


@pytest.mark.parametrize(
    ("value", "text", "depth"),
    [(0.004, "+0.004", 0), (0.02, "+0.020", 1), (-0.05, "−0.050", -2), (0.199, "+0.199", 3), (-1.0, "−1.000", -4)],
)
def test_a_differences_colour_deepens_with_its_size(value, text, depth):
    assert (exp.difference_cell(value).text, exp.difference_cell(value).depth) == (text, depth)


def test_pairs_of_models_at_the_epsilon_nearest_to_the_usual_one(folder):
    table = folder.table("comparisons")
    found = exp.pairs_table(PGD.description(), table)
    assert texts(found) == [("CNN_PGD and CNN_clean", "+0.500", "12", "2", "0.01")]
    assert found.rows[0][found.heads.index("difference")].below == "[+0.400, +0.600]"
    others = pd.concat([table, table.assign(epsilon=2 / 255, difference=0.1)])
    assert texts(exp.pairs_table(PGD.description(), others), "difference") == [("+0.500",)]
    assert texts(exp.pairs_table(PGD.description(), others[1:]), "difference") == [("+0.100",)]
    assert exp.pairs_table(BACKDOOR.description(), table) is None
    assert exp.pairs_table(PGD.description(), pd.DataFrame()) is None


@pytest.mark.parametrize("described", [PGD, BACKDOOR, SNOOPING])
def test_a_table_in_memory_and_the_csv_that_it_becomes_give_the_same_tables(described, folder):
    description = described.description()
    frames = folder.table(described.name), pd.DataFrame(ROWS[described]())
    read, made = (exp.prepare(frame, description) for frame in frames)
    assert exp.experiment_tables(description, read) == exp.experiment_tables(description, made)
    assert [each.labels for each in exp.comparisons(description, read)] == [
        each.labels for each in compared(described, frames[1])
    ]


KEYS = st.tuples(*map(st.sampled_from, ("xy", (0.5, 2.0), ("accuracy", "asr"), ("sound", "paper"))))


@given(st.dictionaries(KEYS, st.floats(0, 1), min_size=1))
def test_every_number_stands_once_where_pandas_puts_it(numbers):
    rows = [row(metric, v, model=m, strength=s, protocol=p) for (m, s, metric, p), v in numbers.items()]
    pivot = pd.DataFrame(rows).pivot(index=["model", "strength", "protocol"], columns="metric", values="value")
    [table] = tables(PLAIN, rows)
    places = [table.heads.index(METRICS[name].heading) for name in pivot]
    shown = [[line[place].sort if line[place].text else -1 for place in places] for line in table.rows]
    assert sorted(shown) == sorted(pivot.fillna(-1).to_numpy().tolist())


def test_meanings_are_told_once_and_only_those_shown():
    found = tables(PGD, ROWS[PGD]())
    assert meanings(found).lower().count(METRICS["missed_tumour_rate"].meaning) == 1
    assert METRICS["asr"].meaning not in meanings(found)
    assert meanings([table_of("no numbers", [{"a": 1}])]) == ""


def test_models_of_the_study_have_titles_and_others_their_own_name():
    titles = {"cnn_pgd": "CNN_PGD", "resnet18_snoop": "ResNet18_snoop", "ensemble": "Ensemble"}
    titles |= {name: name for name in ("timm:resnet18", "my_cnn", "cnn_best.pt")}
    assert {model: model_title(model) for model in titles} == titles
    assert [epsilon_text(size) for size in (4 / 255, 0.01813, 0.00001813)] == ["4/255", "4.62/255", "0.00462/255"]


def printed(width, show):
    console = Console(file=io.StringIO(), width=width)
    show(console)
    return console.file.getvalue()


def test_the_terminal_has_intervals_where_there_is_room_and_never_overflows():
    def show(console):
        exp.print_experiment(PGD.description(), pd.DataFrame(ROWS[PGD]()), console)

    wide, narrow = printed(200, show), printed(70, show)
    assert "0.700 [0.650, 0.750] · 0.31" in wide
    assert "0.700 · 0.31" in narrow
    assert "[0.650" not in narrow
    for width in (40, 70, 110):
        assert max(map(len, printed(width, show).splitlines())) <= width


def test_names_are_no_markup_on_the_terminal_and_cannot_steer_it():
    table = Table("[red]\x1b[31m", ("[/]",), ((Cell("[bold]\n\x1b[2J"),),))
    text = printed(80, lambda console: print_table(table, console))
    assert "\x1b" not in text
    assert all(part in text for part in ("[red]", "[/]", "[bold]"))


def test_markdown_keeps_its_columns_whatever_the_names_are():
    table = tables(BACKDOOR, ROWS[BACKDOOR]())[1]
    text = table_markdown(table)
    lines = [line.replace("\\|", "") for line in text.splitlines() if line.startswith("|")]
    assert {line.count("|") for line in lines} == {len(table.heads) + 1}
    assert "<img" not in text
    assert "\\*" in text


def test_an_experiment_without_rows_has_no_tables(tmp_path):
    folder = fill(tmp_path, {PLAIN: [row("accuracy", None)]})
    rows = exp.prepare(folder.table("made"), PLAIN.description())
    assert exp.experiment_tables(PLAIN.description(), rows) == []
    assert exp.comparisons(PLAIN.description(), rows) == []
    assert printed(80, lambda console: exp.print_experiment(PLAIN.description(), folder.table("made"), console)) == ""
