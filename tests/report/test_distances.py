"""How far our numbers lie from the study's, worked out by hand."""

import io

import pandas as pd
import pytest
from report_folder import row, table

from mri_robust.bench.tables import csv_text
from mri_robust.report.distance import COLUMNS, closeness, distances
from mri_robust.report.side_by_side import compare


def test_each_number_of_the_study_has_its_distance_to_the_mean_over_seeds():
    found = distances(
        table(
            row("recall", 0.48, label="glioma", paper=0.54, condition="printed=a"),
            row("recall", 0.52, label="glioma", paper=0.54, condition="printed=a", seed=43),
            row("accuracy", 0.75, paper=0.5, condition="printed=a"),
            row("accuracy", 0.75, paper=0.5, condition="printed=a", seed=43),
            row("f1", 0.3, label="glioma", condition="printed=a"),
        )
    )
    assert tuple(found.columns) == COLUMNS
    assert found[["class", "metric"]].to_numpy().tolist() == [["glioma", "recall"], ["", "accuracy"]]
    assert found["ours"].tolist() == pytest.approx([0.5, 0.75])
    assert found["distance"].tolist() == pytest.approx([0.04, 0.25])
    assert found["comparable"].all()


def test_a_row_is_matched_by_what_the_study_prints_whatever_else_its_condition_says():
    (comparison,) = compare(
        table(
            row("accuracy", 0.9, protocol="sound", condition="printed=5/0.1;start=scratch", ci=(0.88, 0.92)),
            row("accuracy", 0.7, condition="start=cnn_clean;printed=5/0.1", paper=0.95),
        )
    )
    assert (comparison.printed, comparison.study) == ("5/0.1", 0.95)
    assert comparison.difference == pytest.approx(-0.25)
    assert (comparison.sound.value, comparison.sound.low, comparison.sound.high) == (0.9, 0.88, 0.92)


def test_epochs_and_parts_of_the_images_are_no_numbers_of_the_study():
    found = distances(
        table(
            row("accuracy", 0.1, condition="printed=1;epoch=1", paper=0.6),
            row("accuracy", 0.6, condition="printed=1", paper=0.6),
            row("accuracy", 0.2, condition="printed=1", subset="leak-free"),
            row("accuracy", 0.3, condition="printed=1;epoch=1", subset="training"),
        )
    )
    assert found["ours"].tolist() == [0.6]


def test_of_several_conditions_the_one_with_the_studys_number_stands_for_its_row():
    found = distances(
        table(
            row("accuracy", 0.1, condition="printed=1;start=scratch"),
            row("accuracy", 0.5, condition="printed=1;start=cnn_clean", paper=0.6),
            row("accuracy", 0.8, condition="printed=1;start=elsewhere", paper=0.6),
        )
    )
    assert found["ours"].tolist() == [0.5]


def test_without_a_printed_row_conditions_stay_apart():
    found = distances(
        table(
            row("accuracy", 0.9, condition="test=clean"),
            row("accuracy", 0.4, condition="test=mix", paper=0.37),
        )
    )
    assert found["printed"].tolist() == ["test=mix"]
    assert found["distance"].item() == pytest.approx(0.03)


def test_what_did_not_run_under_the_paper_protocol_has_no_distance():
    found = distances(table(row("accuracy", 0.9, protocol="sound", paper=0.5)))
    assert found["ours"].isna().all()
    assert found["distance"].isna().all()
    assert (closeness(found).printed, closeness(found).compared) == (1, 0)


@pytest.mark.parametrize(("weights", "comparable"), [("", True), ("imagenet", True), ("none", False), ("own", False)])
def test_a_resnet_from_other_weights_than_imagenets_is_not_compared(weights, comparable):
    found = distances(table(row("accuracy", 0.4, paper=0.5, weights=weights)))
    assert found["comparable"].tolist() == [comparable]
    assert closeness(found).compared == int(comparable)


def test_closeness_is_mean_and_greatest_distance_of_what_can_be_compared():
    found = distances(
        table(
            row("accuracy", 0.5, paper=0.4, condition="printed=a"),
            row("accuracy", 0.2, paper=0.5, condition="printed=b"),
            row("accuracy", 0.0, paper=1.0, condition="printed=c", model="resnet", weights="none"),
            row("accuracy", 0.9, paper=1.0, condition="printed=d", protocol="sound"),
        )
    )
    close = closeness(found)
    assert (close.printed, close.compared) == (4, 2)
    assert close.mean == pytest.approx((0.1 + 0.3) / 2)
    assert close.furthest["printed"] == "b"
    assert close.furthest["distance"] == pytest.approx(0.3)


def test_no_numbers_of_the_study_give_an_empty_table():
    found = distances(table(row("accuracy", 0.5)))
    assert tuple(found.columns) == COLUMNS
    assert len(found) == 0
    assert closeness(found).mean is None


def test_a_csv_read_as_pandas_reads_it_gives_the_same_distances():
    made = table(
        row("accuracy", 0.5, paper=0.4),
        row("recall", 0.5, paper=0.1, label="glioma", condition="printed=a"),
    )
    read = pd.read_csv(io.StringIO(csv_text(made)))
    pd.testing.assert_frame_equal(distances(read), distances(made), check_dtype=False)
