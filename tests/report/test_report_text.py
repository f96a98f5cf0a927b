"""What `report.md` says, line by line."""

import json
import re
import subprocess
import sys

import pytest
from report_folder import made, row

from mri_robust.core.errors import UserError
from mri_robust.report.markdown import write_report
from mri_robust.report.markup import table_markdown


def report(folder, **run):
    return write_report(folder.write(**run)).read_text(encoding="utf-8")


def class_rows(**more):
    """Two classes and accuracy under both protocols; the study prints all but the F1 of `b`."""
    rows = []
    for protocol, shift in (("sound", 0.25), ("paper", 0.0)):
        shared = {"protocol": protocol, "condition": "printed=poisoned;test=mix", **more}
        rows += [
            row("accuracy", 0.5 + shift, ci=(0.45 + shift, 0.55 + shift), paper=0.37, **shared),
            row("recall", 0.4 + shift, label="a", ci=(0.3 + shift, 0.5 + shift), paper=0.41, **shared),
            row("f1", 0.45 + shift, label="a", paper=0.47, **shared),
            row("precision", 0.5 + shift, label="a", ci=(0.4 + shift, 0.6 + shift), paper=0.54, **shared),
            row("recall", 0.1 + shift, label="b", ci=(0.0 + shift, 0.2 + shift), paper=0.62, **shared),
        ]
    return rows


def test_a_report_of_classes_stands_side_by_side_a_line_a_class_then_accuracy(folder):
    folder.add(made(), class_rows())
    lines = report(folder).splitlines()
    start = lines.index("**cnn_made: poisoned**")
    assert lines[start + 2 : start + 7] == [
        "| class | precision | recall | F1 |",
        "|---|---:|---:|---:|",
        "| a | 0.54 · 0.500 · 0.750 [0.650, 0.850] | 0.41 · 0.400 · 0.650 [0.550, 0.750] | 0.47 · 0.450 · 0.700 |",
        "| b |  | 0.62 · 0.100 · 0.350 [0.250, 0.450] |  |",
        "| accuracy | 0.37 · 0.500 · 0.750 [0.700, 0.800] |  |  |",
    ]


def test_below_it_stands_how_far_the_paper_protocol_is_off(folder):
    folder.add(made(), class_rows())
    # distances .13, .01, .02, .04, .52 of accuracy, recall a, F1 a, precision a, recall b
    text = report(folder)
    assert "mean distance 0.144 over 5 numbers, largest 0.520 (cnn_made, poisoned, b recall: " in text
    assert "b recall: 0.62 in the study, 0.100 here)" in text


def test_the_head_has_a_line_an_experiment(folder):
    folder.add(made(), class_rows())
    folder.add(made("other", "conditions"), [row("accuracy", 0.5, experiment="other", weights="none", paper=0.9)])
    text = report(folder)
    head = text[: text.index("### ")]
    assert "| Title of made | section 0, Table 0 | 5 | 5 | 0.144 | 0.520 | cnn_made, poisoned, b recall |" in head
    assert "| Title of other | section 0, Table 0 | 1 | 0 | – | – |  |" in head


def test_numbers_that_cannot_be_compared_stand_in_brackets(folder):
    folder.add(made(), class_rows(weights="none"))
    text = report(folder)
    assert "| b |  | (0.62) · 0.100 · 0.350 [0.250, 0.450] |  |" in text
    assert "Numbers in brackets are not compared" in text
    assert "over 5 numbers" not in text


def test_conditions_stand_side_by_side_a_line_a_row_of_the_study(folder):
    folder.add(
        made(layout="conditions", headers=("epochs", "strength")),
        [
            row("accuracy", 0.9, protocol="sound", condition="printed=5/0.1;start=scratch", ci=(0.88, 0.925)),
            row("accuracy", 0.97, condition="printed=5/0.1", paper=0.95),
            row("accuracy", 0.9, condition="printed=10/2.0", paper=0.975),
        ],
    )
    text = report(folder)
    assert "| model | the study's row | study | paper | difference | sound |" in text
    assert "| cnn_made | epochs 5, strength 0.1 | 0.95 | 0.970 | +0.020 | 0.900 [0.880, 0.925] |" in text
    assert "| cnn_made | epochs 10, strength 2.0 | 0.97 | 0.900 | -0.075 | – |" in text


def test_epsilon_tables_stand_side_by_side_a_column_a_model(folder):
    shared = {"attack": "pgd", "epsilon": 0.01, "alpha": 0.001, "steps": 5, "condition": "printed=0.01/5"}
    folder.add(
        made(layout="epsilon", headers=("ε", "steps"), columns=("cnn_pgd", "cnn_clean")),
        [
            row("accuracy", 0.2, model="cnn_clean", paper=0.1, **shared),
            row("accuracy", 0.8, model="cnn_clean", protocol="sound", paper=0.1, ci=(0.7, 0.9), **shared),
            row("accuracy", 0.9, model="cnn_pgd", weights="none", paper=0.83, **shared),
        ],
    )
    text = report(folder)
    assert "| the study's row | CNN_PGD | CNN_clean |" in text
    assert "| ε 0.01, steps 5 | (0.83) · 0.900 · – | 0.10 · 0.200 · 0.800 [0.700, 0.900] |" in text
    assert "| 0.01 | 5 | 0.900 · (0.83) | 0.200 · 0.10 |" in text  # the table of protocol paper, as ever


def test_a_protocols_table_has_a_line_a_condition_and_a_column_a_metric(folder):
    folder.add(
        made(),
        [
            row("accuracy", 0.912, condition="printed=x;test=clean", ci=(0.897, 0.927)),
            row("accuracy", 0.9, condition="printed=x;test=clean", ci=(0.88, 0.92), subset="leak-free"),
            row("asr", 0.5, condition="test=triggered", ci=(0.4, 0.6)),
            row("auc", 0.75, condition="test=triggered"),
        ],
    )
    text = report(folder)
    assert "| model | condition | accuracy | accuracy, leak-free | attack success | AUC |" in text
    assert "| cnn_made | test clean | 0.912 [0.897, 0.927] | 0.900 [0.880, 0.920] |  |  |" in text
    assert "| cnn_made | test triggered |  |  | 0.500 [0.400, 0.600] | 0.750 |" in text


def test_several_seeds_give_mean_spread_and_mean_interval(folder):
    folder.add(
        made(),
        [row("accuracy", 0.4, ci=(0.3, 0.5), seed=42), row("accuracy", 0.6, ci=(0.5, 0.7), seed=43)],
    )
    # the standard deviation of .4 and .6 is .1 * sqrt(2)
    assert "0.500 ± 0.141 [0.400, 0.600]" in report(folder)


def test_faults_are_footnotes_that_the_heading_refers_to(folder):
    folder.add(made(), class_rows())
    folder.add(made("one", faults=("leaky-split",)), [row("accuracy", 0.5, experiment="one")])
    folder.add(made("none", faults=()), [row("accuracy", 0.5, experiment="none")])
    text = report(folder)
    assert "## Title of made (section 0, Table 0) [1–2]\n" in text
    assert re.search(r"^- \[1\] `leaky-split`: .*\n- \[2\] `rgb-images`: ", text, flags=re.MULTILINE)
    assert "## Title of one (section 0, Table 0) [1]\n" in text
    assert "## Title of none (section 0, Table 0)\n" in text


def test_an_experiment_of_which_the_study_prints_nothing_has_no_side_by_side(folder):
    folder.add(made(layout="conditions"), [row("referred", 0.2, condition="test=clean", ci=(0.1, 0.3))])
    text = report(folder)
    assert "Side by side" not in text
    assert "| cnn_made | test clean | 0.200 [0.100, 0.300] |" in text


def test_names_of_the_users_classes_stay_inside_their_field(folder):
    folder.add(made(), [row("recall", 0.5, label="a|b <script> [x](http://y) *c* `d`\n# e", paper=0.4)])
    text = report(folder)
    (line,) = (line for line in text.splitlines() if line.startswith("| a\\|b"))
    assert line == "| a\\|b &lt;script> [x\\](http://y) \\*c\\* 'd' # e | 0.40 · 0.500 · – |"
    assert "\n# e" not in text


@pytest.mark.parametrize(
    ("text", "field"),
    [("CNN_clean", "CNN_clean"), ("_x_", "\\_x\\_"), ("a\\|b", "a&#92;\\|b"), ("0.9 [0.8, 1.0]", "0.9 [0.8, 1.0]")],
)
def test_a_field_shows_its_text_as_it_is(text, field):
    assert table_markdown(["x"], [[text]], align="l").splitlines()[-1] == f"| {field} |"


def test_the_report_imports_no_torch(folder):
    """The folder is read by a fresh interpreter, which finds the experiment by a stand-in."""
    folder.add(made(), class_rows())
    path = folder.write()
    code = (
        "import sys; from pathlib import Path\n"
        "from mri_robust.report import results\n"
        "from mri_robust.study.experiment import Experiment\n"
        "made = Experiment('made', 'Title', 'Table 0', (), (), {}, (), lambda setting: [], 'classes')\n"
        "results.load_experiment = lambda name: made\n"
        "from mri_robust.report.markdown import write_report\n"
        "from mri_robust.report.terminal import print_tables\n"
        "from rich.console import Console\n"
        f"write_report(Path({str(path)!r})); print_tables(Path({str(path)!r}), Console())\n"
        "assert not {'torch', 'torchvision', 'art', 'torchattacks'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    assert (path / "report.md").is_file()


def test_a_folder_without_a_finished_run_is_one_line(tmp_path):
    with pytest.raises(UserError, match="holds no finished bench run"):
        write_report(tmp_path)
    (tmp_path / "run.json").write_text(json.dumps({}))
    with pytest.raises(UserError, match="holds no finished bench run"):
        write_report(tmp_path)
