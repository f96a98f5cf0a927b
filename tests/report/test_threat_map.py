"""The threat map and the model card: every number of theirs is a row's, and what was not measured is named."""

import re

import pytest
from a_run import BACKDOOR, BREAKING, FINDINGS, MODELS, NASTY, PGD, experiment, fill, pgd_rows, row, within

from mri_robust.report.content import Report
from mri_robust.report.model_card import card_names, write_cards
from mri_robust.report.page import report_markdown
from mri_robust.report.threat_map import NOT_TESTED, figures, threat_map, untested
from mri_robust.study.threats import FDA, SOURCES, THREATS

yaml = pytest.importorskip("yaml", reason="no YAML parser is installed")
KEY = ("attack", "members", "others", "control")
MEMBERSHIP = experiment("membership", KEY, threats=("membership", "overfitting"), faults=())
ASKED = {"protocols": ["sound"], "not_run": [], "cuts": []}
DATA = {"name": "scans", "digest": "d0", "train": 20, "test": 10, "leaked": 3, "classes": ["a", "b"]}


def membership_rows(model="cnn_clean"):
    """The strongest attack is not the control, which has the greatest AUC."""
    own = {"experiment": "membership", "model": model, "members": "seen", "others": "test"}
    return [
        row("auc", 0.6, **own, attack="loss threshold", **within(0.6)),
        row("auc", 0.7, **own, attack="black box", **within(0.7)),
        row("auc", 0.9, **{**own, "members": "held out"}, attack="black box", control="control"),
        row("auc", 0.8, **own, attack="right prediction"),
        row("accuracy", 0.99, **own, attack="right prediction", subset="training", **within(0.99)),
        row("accuracy", 0.75, **own, attack="right prediction", **within(0.75)),
        row("member_images", 20.0, **own, attack="black box"),
    ]


def audited(path, models, **more):
    rows = {PGD: pgd_rows(), MEMBERSHIP: [each for model in MODELS for each in membership_rows(model)]}
    names = dict(zip(MODELS, models, strict=False))
    rows = {
        each: [
            {**one, "model": names[one["model"]]} for one in own if one["model"] in names and one["protocol"] == "sound"
        ]
        for each, own in rows.items()
    }
    about = {**ASKED, "data": {"grey": DATA}, "own_models": list(models), "findings": [], **more}
    return fill(path, rows, **about)


def values(report, name, model=None):
    testing = [each for each in report.sections if name in each.tests]
    [threat] = [each for each in testing[0].threats if each["name"] == name]
    return [each["value"] for each in figures(testing, threat, model)]


def test_a_figure_is_the_row_of_most_harm_under_protocol_sound(folder):
    report = Report(folder.path)
    assert values(report, "evasion") == [0.1]  # of CNN_clean at 4/255, the usual size, after the last attack
    assert values(report, "evasion", "cnn_pgd") == [0.6]
    assert values(report, "backdoor") == [0.99]
    assert values(report, "trigger-detection") == [0.4, 0.2]  # at the detector's own threshold


def test_without_the_usual_epsilon_the_largest_under_it_and_without_protocol_sound_the_other(tmp_path):
    def evasion(name, rows):
        return values(Report(fill(tmp_path / name, {PGD: rows}).path), "evasion")

    rows = [each for each in pgd_rows() if each.get("model") == "cnn_clean"]
    assert evasion("two", [each for each in rows if each["epsilon"] != 4 / 255]) == [0.3]
    assert evasion("large", [{**each, "epsilon": 100 * each["epsilon"]} for each in rows]) == [0.7]
    assert evasion("paper", [each for each in rows if each["protocol"] == "paper"]) == [pytest.approx(0.3)]


def test_members_are_counted_without_controls_and_the_gap_on_one_model(tmp_path):
    report = Report(audited(tmp_path, MODELS).path)
    assert values(report, "membership") == [0.7]
    assert values(report, "overfitting") == [0.99, 0.75]


def test_the_map_has_every_risk_of_the_fda_with_a_number_or_as_not_tested(folder):
    report = Report(folder.path)
    table = threat_map(report.sections)
    assert len(table.heads) == 5
    risks = {risk for line in table.rows for risk in line[2].text.split(", ")}
    assert set(FDA) <= risks
    for line in table.rows:
        assert (line[1].text == NOT_TESTED) == (not re.search(r"\d\.\d{3}", line[1].text))
        assert (line[1].text == NOT_TESTED) == (line[0].link == "")
    tested = {risk for line in table.rows if line[0].link for risk in line[2].text.split(", ")}
    assert {line[2].text for line in table.rows if not line[0].link} == set(FDA) - tested
    assert "NIST" in table.rows[0][3].below
    text = report_markdown(report, {section.name: [] for section in report.sections})
    assert all(where in text for _, _, where in SOURCES.values())


def test_what_no_experiment_measured_is_named_by_source(folder):
    left = dict(untested(Report(folder.path).sections))
    ran = ("evasion", "backdoor", "trigger-detection")
    for key in ("ai_act", "nist", "atlas", "cr515"):
        short, known, _ = SOURCES[key]
        met = {word for name in ran for word in _words(getattr(THREATS[name], key))}
        assert {word for word in known if word in left[short]} == set(known) - met
    failed = [row("accuracy", None, experiment="backdoor", model="cnn_backdoor")]
    left = dict(untested(Report(fill(folder.path / "failed", {BACKDOOR: failed}).path).sections))
    for short, known, _ in (SOURCES[key] for key in ("ai_act", "nist", "atlas", "cr515")):
        assert all(word in left[short] for word in known)


def _words(said):
    return (said,) if isinstance(said, str) else said


def card(path, name="model-card.md"):
    """The metadata of a card and its text."""
    text = (path / name).read_text(encoding="utf-8")
    _, front, body = re.split(r"^---$", text, maxsplit=2, flags=re.MULTILINE)
    return yaml.safe_load(front), body


def test_the_metadata_of_a_card_hold_the_numbers_of_the_csv(tmp_path):
    folder = audited(tmp_path, ["some/where/own.pth"])
    write_cards(Report(folder.path))
    front, body = card(folder.path)
    [index] = front["model-index"]
    [result] = index["results"]
    assert index["name"] == "own.pth"
    assert result["task"] == {"type": "image-classification"}
    assert (result["dataset"]["name"], result["dataset"]["revision"]) == ("scans", "d0")
    assert "license" not in front
    rates = folder.table("pgd")
    rates = rates[rates["ci_low"].notna()]
    figures_of_others = [("auc", 0.7), ("accuracy", 0.99), ("accuracy", 0.75)]
    found = sorted((each["type"], each["value"]) for each in result["metrics"])
    assert found == sorted([*zip(rates["metric"], rates["value"], strict=True), *figures_of_others])
    assert len({each["name"] for each in result["metrics"]}) == len(found)
    assert all(text in body for text in ("0.100 [0.050, 0.150]", "0.700 [0.650, 0.750]", "3 test images (30.0%)"))
    assert "some/where" not in body
    assert "member images" not in body
    limits = body.partition("## Limits")[2]
    assert all(risk in limits for risk in ("data poisoning", "model inversion/stealing", "performance drift"))
    assert "model evasion" not in limits


def test_the_hub_reads_a_card(tmp_path):
    hub = pytest.importorskip("huggingface_hub", reason="huggingface_hub is not installed")
    folder = audited(tmp_path, ["own.pth"])
    write_cards(Report(folder.path))
    read = hub.ModelCard.load(tmp_path / "model-card.md").data
    assert read.model_name == "own.pth"
    assert {each.task_type for each in read.eval_results} == {"image-classification"}
    metrics = card(tmp_path)[0]["model-index"][0]["results"][0]["metrics"]
    assert [each.metric_value for each in read.eval_results] == [each["value"] for each in metrics]


def test_several_models_have_a_card_each_of_their_own_numbers_and_old_ones_go(tmp_path):
    write_cards(Report(audited(tmp_path, ["own.pth"]).path))
    models = [f"f:{NASTY}", "other"]
    findings = [{**each, "model": models[0], "tripped": True} for each in FINDINGS[:1]]
    write_cards(Report(audited(tmp_path, models, findings=findings).path))
    names = sorted(each.name for each in tmp_path.glob("model-card*"))
    assert names == sorted(f"model-card-{each}.md" for each in card_names(models).values())
    first, other = (card(tmp_path, f"model-card-{each}.md") for each in card_names(models).values())
    assert ["0.100 [0.050, 0.150]" in body for _, body in (first, other)] == [True, False]
    assert [FINDINGS[0]["check"] in body for _, body in (first, other)] == [True, False]
    assert NASTY not in first[1]
    write_cards(Report(fill(tmp_path).path))  # a bench has none
    assert not list(tmp_path.glob("model-card*"))


def test_models_of_one_name_have_cards_of_their_own():
    names = card_names(["a/m.pth", "b/m.pth", "m.pth", "p:f (x/w.pth)", "/"])
    assert len(set(names.values())) == len(names)
    assert all(re.fullmatch(r"[\w.-]+", each) for each in names.values())


def test_hostile_names_stay_text_in_the_metadata(tmp_path):
    data = {**DATA, "name": f'x"\n---\nlicense: mit # {BREAKING}', "classes": [NASTY, BREAKING]}
    folder = audited(tmp_path, ["own.pth"], data={"grey": data})
    write_cards(Report(folder.path))
    front, body = card(folder.path)
    assert "license" not in front
    assert front["model-index"][0]["results"][0]["dataset"]["name"].startswith('x" --- license')
    assert NASTY not in body
