"""The summary's verdicts: which questions are answered, and with which numbers."""

import re

import pytest
from a_run import BACKDOOR, PGD, SNOOPING, backdoor_rows, fill, pgd_rows, row, snooping_rows

from mri_robust.experiments.transfer import EXPERIMENT as TRANSFER
from mri_robust.report.content import Report
from mri_robust.report.figures import draw_all
from mri_robust.report.summary import terms, verdicts


def told(folder):
    """Section -> the rates of its verdicts, in order."""
    return [(each.anchor, [(mark.label, mark.value) for mark in each.marks]) for each in verdicts(Report(folder.path))]


def test_each_question_is_answered_with_its_rates(folder):
    found = told(folder)
    assert [anchor for anchor, _ in found] == ["pgd"] * 3 + ["backdoor", "snooping", "pipeline", "certificate"]
    lost, best, missed, backdoor, detector, pipeline, certificate = (dict(marks) for _, marks in found)
    assert lost == {"clean": 0.9, "1/255": 0.5, "4/255": 0.1}  # after the strongest attack of the worst case
    assert best == {"clean": 0.85, "1/255": 0.8, "4/255": 0.6}
    assert missed == pytest.approx({"clean": 0.05, "1/255": 0.25, "4/255": 0.45})
    assert backdoor == {"CNN_backdoor": 0.99, "CNN_BadNets (share 0.1)": 0.6}
    assert list(detector.values()) == [0.7, 0.4, 0.2]
    assert list(pipeline.values()) == [0.99, 0.25, 0.3]
    assert certificate == {}


def test_sentences_hold_the_rates_with_their_intervals(folder):
    for verdict in verdicts(Report(folder.path))[:-1]:
        numbers = re.findall(r"\d+\.\d(?=\s%)", verdict.sentence)
        told = {f"{100 * mark.value:.1f}" for mark in verdict.marks}
        assert set(numbers) & told, verdict
        for mark in verdict.marks:
            if mark.low is not None and f"{100 * mark.value:.1f}" in numbers:
                assert f"[{100 * mark.low:.1f}, {100 * mark.high:.1f}]" in verdict.sentence


def test_the_words_of_the_verdicts_are_explained_once_and_only_those_used(folder, tmp_path):
    found = verdicts(Report(folder.path))
    said = dict(terms(found))
    assert len(said) == len(terms(found)) > 5
    shares = {name: re.findall(r"\d+\.\d(?=\s%)", meaning) for name, meaning in said.items() if name.endswith("/255")}
    assert shares == {f"{size}/255": [f"{100 * size / 255:.1f}"] for size in (1, 4)}
    assert terms(found[-1:]) == []
    plain = verdicts(Report(fill(tmp_path, {BACKDOOR: backdoor_rows()}).path))
    assert not set(dict(terms(plain))) & {"1/255", "4/255"}


def test_under_both_protocols_the_shift_says_what_the_faults_changed(folder):
    shifts = {each.topic: each.shift for each in verdicts(Report(folder.path))}
    by_section = list(shifts.values())
    assert re.findall(r"\d+\.\d(?= points|\s%)", by_section[0]) == ["40.0", "30.0", "70.0"]  # .7 soundly, .3 its way
    assert re.findall(r"\d+\.\d(?=\s%)", by_section[3]) == ["30.0", "80.0"]
    assert re.findall(r"\d+\.\d(?=\s%)", by_section[4]) == ["45.0", "35.0", "50.0", "10.0"]


def test_a_run_of_one_model_or_protocol_answers_what_it_can(tmp_path):
    one = [each for each in pgd_rows() if each["model"] == "cnn_clean" and each["protocol"] == "sound"]
    found = verdicts(Report(fill(tmp_path / "one", {PGD: one}).path))
    assert len(found) == 3
    assert all(not each.shift for each in found)
    paper = [{**each, "protocol": "paper"} for each in backdoor_rows()]
    assert [anchor for anchor, _ in told(fill(tmp_path / "paper", {BACKDOOR: paper[:2]}))] == ["certificate"]


def test_of_a_detectors_several_tests_the_first_is_told(tmp_path):
    again = [{**each, "test": f"{each['test']}, JPEG 90", "value": 0.0} for each in snooping_rows()]
    [(_, marks), _] = told(fill(tmp_path, {SNOOPING: [*snooping_rows(), *again]}))
    assert [value for _, value in marks] == [0.7, 0.4, 0.2]


def test_without_a_worst_case_the_attack_itself_is_told(tmp_path):
    rows = [row("accuracy", 0.9, experiment="pgd", epsilon=0.0)]
    rows += [
        row("accuracy", value, experiment="pgd", attack="fgsm", epsilon=eps / 255)
        for eps, value in ((0.5, 0.8), (2, 0.7), (8, 0.1))
    ]
    [(_, marks), _] = told(fill(tmp_path / "linf", {PGD: rows}))
    assert marks == [("clean", 0.9), ("2/255", 0.7)]
    rows = [rows[0], *({**each, "norm": "l2", "epsilon": 255 * each["epsilon"] / 4} for each in rows[1:])]
    folder = fill(tmp_path / "l2", {PGD: rows})
    [(_, marks), _] = told(folder)
    assert marks == [("clean", 0.9), ("0.125 (L2)", 0.8), ("0.5 (L2)", 0.7)]
    assert {"0.125 (L2)", "0.5 (L2)"} <= set(dict(terms(verdicts(Report(folder.path)))))


def test_numbers_that_epsilon_alone_does_not_tell_apart_are_no_curve_and_no_verdict(tmp_path):
    own = {"experiment": "transfer", "model": "cnn_clean"}
    rows = [row("accuracy", 0.9, **own, epsilon=0.0)]
    for source, value in (("cnn_clean", 0.1), ("stolen copy", 0.5)):
        rows.append(row("accuracy", value, **own, attack="pgd", norm="linf", epsilon=4 / 255, source=source))
    folder = fill(tmp_path, {TRANSFER: rows})
    assert "transfer" not in [anchor for anchor, _ in told(folder)]
    assert "accuracy" not in draw_all(folder, TRANSFER.description(), "sound")
    table = Report(folder.path).sections[0].tables[0]
    assert [cell.text for line in table.rows for cell in line if cell.text in ("0.900", "0.100", "0.500")] == [
        *("0.900", "0.100", "0.500")
    ]
