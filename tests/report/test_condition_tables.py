"""Rows and columns of the tables by condition, and how they look on a terminal."""

import io

import pytest
from report_folder import made, row
from rich.console import Console

from mri_robust.report.by_condition import by_condition
from mri_robust.report.conditions import epoch_of, in_words, printed_row, row_name, without
from mri_robust.report.labels import shared_parts, short_labels
from mri_robust.report.results import open_results
from mri_robust.report.terminal import print_tables


def laid_out(folder, *rows):
    folder.add(made(), rows)
    return by_condition(open_results(folder.write()).tables["made"])


def names(table):
    return [(line.model, line.condition) for line in table.lines]


def test_of_a_training_curve_only_the_last_epoch_is_shown(folder):
    table = laid_out(
        folder,
        row("accuracy", 0.1, condition="strength=3;epoch=1"),
        row("accuracy", 0.3, condition="strength=3;epoch=10"),
        row("accuracy", 0.2, condition="strength=3;epoch=9"),
    )
    assert names(table) == [("cnn_made", "strength 3")]
    assert table.lines[0].entries["accuracy", "all"].value == 0.3


def test_a_row_of_the_whole_training_stands_before_its_last_epoch(folder):
    table = laid_out(
        folder,
        row("accuracy", 0.8, condition="strength=3"),
        row("accuracy", 0.3, condition="strength=3;epoch=2"),
        row("accuracy", 0.4, condition="strength=3;epoch=2", subset="training"),
        row("loss", 7.0, condition="strength=3;epoch=2", subset="training"),
    )
    assert table.columns == (("accuracy", "all"), ("accuracy", "training"))
    assert [entry.value for entry in table.lines[0].entries.values()] == [0.8, 0.4]


def test_two_rows_of_the_study_are_not_mixed_when_only_their_name_differs(folder):
    table = laid_out(
        folder,
        row("accuracy", 0.1, condition="printed=table 7"),
        row("accuracy", 0.2, condition="printed=table 8"),
        row("accuracy", 0.3, condition="printed=table 8;test=x"),
        row("asr", 0.4, condition="test=x"),
        row("accuracy", 0.5, condition="printed=table 7;test=y"),
        row("accuracy", 0.6, condition="printed=table 8;test=y"),
    )
    assert [condition for _, condition in names(table)] == [
        "table 7",
        "table 8",
        "test x",
        "test y, table 7",
        "test y, table 8",
    ]
    assert [entry.value for entry in table.lines[2].entries.values()] == [0.3, 0.4]


def test_attacks_with_an_epsilon_are_named_and_kept_apart(folder):
    attack = {"attack": "pgd", "epsilon": 4 / 255, "alpha": 1 / 255, "condition": "snooper=none"}
    table = laid_out(
        folder,
        row("accuracy", 0.9, attack="none", epsilon=0.0, condition="snooper=none"),
        row("accuracy", 0.2, steps=10, **attack),
        row("accuracy", 0.1, steps=40, **attack),
        row("accuracy", 0.3, attack="fgsm", epsilon=4 / 255, condition="snooper=none"),
    )
    assert [condition for _, condition in names(table)] == [
        "snooper none",
        "pgd 4/255, 10 × 1/255, snooper none",
        "pgd 4/255, 40 × 1/255, snooper none",
        "fgsm 4/255, snooper none",
    ]


def test_images_that_nothing_was_done_to_are_called_clean(folder):
    table = laid_out(
        folder, row("accuracy", 0.9, attack="none", epsilon=0.0), row("accuracy", 0.1, condition="severity=1")
    )
    assert [condition for _, condition in names(table)] == ["clean", "severity 1"]


def test_attacks_without_an_epsilon_are_named_where_nothing_else_tells_them_apart(folder):
    table = laid_out(
        folder,
        row("accuracy", 0.1, attack="creeper", condition="test=mix"),
        row("accuracy", 0.2, attack="badnets", condition="test=mix"),
        row("accuracy", 0.3, attack="badnets", condition="test=clean"),
    )
    assert [condition for _, condition in names(table)] == ["creeper, test mix", "badnets, test mix", "test clean"]


def test_missing_values_leave_no_line_and_metrics_of_other_names_come_last(folder):
    table = laid_out(
        folder,
        row("novel_rate", 0.25, condition="a=1"),
        row("accuracy", 0.5, condition="a=1"),
        row("accuracy", None, condition="a=2"),
        row("recall", 0.5, condition="a=3", label="glioma"),
    )
    assert names(table) == [("cnn_made", "a 1")]
    assert table.headings == ["accuracy", "novel rate"]


def test_a_condition_is_read_part_by_part():
    condition = "printed=5/0.1;start=cnn_clean;worst-case;epoch=12"
    assert printed_row(condition) == "5/0.1"
    assert epoch_of(condition) == 12
    assert epoch_of("epochs=5") is None
    assert without(condition, "printed", "epoch") == "start=cnn_clean;worst-case"
    assert in_words("start=cnn_clean;worst-case") == "start cnn_clean, worst-case"


def test_a_row_of_the_study_is_named_by_its_headers():
    assert row_name("0.01/5", ("ε", "steps")) == "ε 0.01, steps 5"
    assert row_name("poisoned test set", ()) == "poisoned test set"
    assert row_name("test=mix", ()) == "test mix"


@pytest.mark.parametrize(
    ("labels", "short"),
    [
        (["training clean", "training attacked"], ["clean", "attacked"]),
        (["epochs 5, start x", "epochs 10, start x"], ["epochs 5", "epochs 10"]),
        (["a, b", "a, c"], ["b", "c"]),
        (["a", "a, b"], ["a", "a, b"]),
        (["alone, a"], ["alone, a"]),
        ([], []),
    ],
)
def test_labels_lose_what_all_of_them_share(labels, short):
    assert short_labels(labels) == short


def test_shared_parts_keep_their_order():
    assert shared_parts(["b, a, c", "c, b"]) == ["b", "c"]
    assert shared_parts([]) == []


def printed(folder, width=110):
    text = io.StringIO()
    print_tables(folder.write(), Console(file=text, width=width))
    return text.getvalue()


def test_the_terminal_shows_each_condition_once_with_the_studys_number(folder):
    shared = {"protocol": "sound", "model": "cnn_drunk"}
    rows = []
    for strength in range(1, 10):
        condition = f"printed={strength};scale={strength};perturbation={strength};start=cnn_clean"
        rows.append(row("accuracy", 0.3, condition=condition, paper=0.31, **shared))
        rows.append(row("accuracy", 0.3, condition=condition, subset="leak-free", **shared))
        rows.append(row("missed_tumour_rate", 0.2, condition=condition, **shared))
        for epoch in range(1, 6):
            rows.append(row("accuracy", 0.7, condition=f"{condition};epoch={epoch}", **shared))
            rows.append(row("accuracy", 0.8, condition=f"{condition};epoch={epoch}", subset="training", **shared))
    folder.add(made(layout="conditions"), rows)
    text = printed(folder)
    assert max(map(len, text.splitlines())) <= 110
    assert text.count("0.300 · 0.31") == 9
    assert "0.700" not in text
    assert "0.800" not in text
    assert text.count("CNN_drunk") == 1
    assert text.splitlines()[0].endswith("(all: start cnn_clean)")
    assert len(text.splitlines()) < 20


def test_names_in_square_brackets_are_no_colours_on_the_terminal(folder):
    folder.add(made(), [row("accuracy", 0.5, model="[red]", condition="test=[/]", weights="none", paper=0.25)])
    text = printed(folder)
    assert "[red]" in text
    assert "[/]" in text
    assert "0.500 · (0.25)" in text
