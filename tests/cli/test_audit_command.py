"""`mri-robust audit` on a user's models: what it prints and writes, what it warns of, what it refuses."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import torch
from click.testing import CliRunner, Result
from toy_data import CLASSES

from mri_robust import save_model
from mri_robust.cli import main
from mri_robust.evaluation import worst_case
from mri_robust.evaluation.sanity import CHECKS
from mri_robust.evaluation.worst_case import SIGNS
from mri_robust.models.classifier import build_model
from mri_robust.models.opening import open_model
from mri_robust.study.experiment import all_experiments, load_experiment
from mri_robust.study.recipe import External
from mri_robust.study.scale import QUICK

SOURCE = """
import torch
from torch import nn

class Masked(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.head = nn.Linear(256, 4)
    def forward(self, images):
        return 30 * self.head((images * 8).round().flatten(1) / 8)

class Colour(Masked):
    channels, image_size = "rgb", 16

class Loud(Masked):
    def forward(self, images):
        print("loss", end="")
        return super().forward(images)
"""
MASKED, ODD = "own_models:Masked", "odd[/b].safetensors"
SHORT = ["--data", "phantom:train=8,test=16", "--size", "16", "--steps", "3", "--restarts", "1", "--images", "8"]


@pytest.fixture(autouse=True)
def own_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_models.py").write_text(SOURCE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setitem(worst_case.SURVIVOR_ATTACKS, "quick", (worst_case.library("Square", n_queries=20),))
    sys.modules.pop("own_models", None)


def save_checkpoint(name: str, classes: tuple[str, ...] = CLASSES) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        save_model(build_model("cnn", classes=classes, image_size=16), Path(name))


def audit(*arguments: str, code: int) -> Result:
    result = CliRunner().invoke(main, ["audit", *SHORT, *arguments])
    assert result.exit_code == code, result.output
    return result


def test_two_models_get_tables_warnings_a_verdict_and_a_floor_and_go_on_from_what_is_stored() -> None:
    """Also one in a file whose name would be markup to the terminal."""
    save_checkpoint(ODD)
    asked = ["worst-case", "--model", ODD, "--model", MASKED, "--eps", "1/255,32/255", "--threads", "1"]
    result = audit(*asked, "--fail-under", "0=0", "--fail-under", "32/255=1", code=1)
    words = " ".join(result.output.split())
    assert ODD in words
    assert f"warning: {MASKED} (sound, seed 42), " in words  # its gradient is zero
    assert "cross-check PASSED" in words
    out = Path("audit-results")
    table = pd.read_csv(out / "worst-case.csv")
    final = table.query("metric == 'accuracy' and subset == 'all'").drop_duplicates(["model", "epsilon"], keep="last")
    assert list(dict.fromkeys(final["model"])) == [ODD, MASKED]
    assert (final["epsilon"] * 255).round().tolist() == [0, 1, 32] * 2
    assert (final["n"] == 8).all()
    assert all(rows["value"].is_monotonic_decreasing for _, rows in final.groupby("model"))
    about = json.loads((out / "audit.json").read_text())
    assert about["floors"] == [[0, 0], [32 / 255, 1]]
    assert [f"FAILED {line}" in result.output for line in about["missed"]] == [True, True]
    assert [len(about["tables"]["worst-case"]), len(about["findings"])] == [len(table), 2 * len({*CHECKS, *SIGNS})]
    assert {each["model"] for each in about["crosscheck"]["comparisons"]} == {ODD, MASKED}
    pairs = pd.read_csv(out / "comparisons.csv")
    assert set(zip(pairs["model"], pairs["other"], strict=True)) == {(ODD, MASKED)}
    assert json.loads((out / "run.json").read_text())["own_models"] == [ODD, MASKED]
    assert "<html" in (out / "report.html").read_text(encoding="utf-8")
    assert len(list(out.glob("model-card-*.md"))) == 2
    audit(*asked, "--fail-under", "0=0", code=0)
    assert json.loads((out / "run.json").read_text())["computed"] == 0


def test_in_l2_tables_figures_and_data_say_so() -> None:
    """Every adversarial row, and every image's smallest epsilon; the floor counts in the same norm."""
    save_checkpoint("own.safetensors")
    asked = ["worst-case", "fgsm", "--model", "own.safetensors", "--norm", "l2", "--eps", "2,0.25", "--threads", "1"]
    result = audit(*asked, "--fail-under", "2=1", "--budget", "standard", code=1)
    assert "worst-case 0.25 (L2), 3 × 0.0625, after pgd" in " ".join(result.output.split())
    out = Path("audit-results")
    about = json.loads((out / "audit.json").read_text())
    assert about["floors"] == [[2, 1]]
    assert "2 (L2)" in about["missed"][0]
    for rows in (*about["tables"].values(), about["comparisons"]):
        attacked = {(row["epsilon"], row["norm"]) for row in rows if row["metric"] == "accuracy" and row["epsilon"]}
        assert attacked == ({(0.25, "l2"), (2, "l2")} if rows else set())
    assert set(pd.read_csv(out / "images.csv")["norm"]) == {"l2"}
    figure = (out / "figures/worst-case-sound-accuracy.svg").read_text()
    assert "L2 norm" in figure
    assert "1/255" not in figure
    assert "the L2 norm of the change" in (out / "report.md").read_text()
    audit(*asked[:4], "--eps", "1/255", code=0)  # the same folder in L-inf
    table = pd.read_csv(out / "worst-case.csv")
    assert set(table["norm"].dropna()) == {"linf"}


def test_options_belong_to_the_model_before_them_and_classes_go_by_name() -> None:
    """One factory with two weights; a checkpoint whose classes have other names and another order."""
    for index, name in enumerate("ab"):
        bias = 100.0 * torch.eye(4)[index]
        torch.save({"head.weight": torch.zeros(4, 256), "head.bias": bias}, f"{name}.pth")
    names = ("none", "P", "G", "M")
    with torch.random.fork_rng():
        model = build_model("cnn", classes=names, image_size=16).eval()
        last = [module for module in model.modules() if isinstance(module, torch.nn.Linear)][-1]
        torch.nn.init.zeros_(last.weight)
        last.bias.data = torch.tensor([0.0, 9.0, 0.0, 0.0])  # always P
        save_model(model, Path("c.safetensors"))
    two = ["--model", MASKED, "--weights", "a.pth", "--model", MASKED, "--weights", "b.pth"]
    audit(
        "fgsm", *two, "--model", "c.safetensors", "--classes", "G=glioma,M=meningioma,P=pituitary,none=notumor", code=0
    )
    table = pd.read_csv("audit-results/fgsm.csv").query("metric == 'recall' and subset == 'all' and epsilon == 0")
    always = table[table["value"] == 1].set_index("model")["class"].to_dict()
    assert always == {f"{MASKED} (a.pth)": "glioma", f"{MASKED} (b.pth)": "meningioma", "c.safetensors": "pituitary"}


def test_tables_come_first_and_what_is_left_out_is_not_claimed() -> None:
    """Progress is on the other stream, and a summary for machines is all of standard output, whatever models print."""
    asked = ["fgsm", "worst-case", "--model", "own_models:Loud", "--channels", "grey", "--eps", "8/255"]
    titles = [load_experiment(name).title for name in asked[:2]]
    out, counts = Path("audit-results"), []
    left = {"all": [], "none --json": ["sanity checks", "cross-check"], "quick --quiet": ["cross-check"]}
    for how, missing in left.items():
        result = audit(*asked, "--checks", *how.split(), code=0)
        run, summary = (json.loads((out / f"{name}.json").read_text()) for name in ("run", "audit"))
        counts.append((run["computed"] > 0, len(run["findings"])))
        claimed = [(out / "crosscheck.json").exists(), "crosscheck" in summary, "cross-check P" in result.output]
        assert set(claimed) == {"cross-check" not in missing}
        assert run["not_run"] == summary["not_run"] == missing
        if "--json" in how:
            assert json.loads(result.stdout) == summary
        elif "--quiet" in how:
            assert result.stderr == ""
        else:
            steps = (*titles, "SanityChecks", "done cross-check", "PASSED")
            places = [result.output.rindex(each) for each in steps]
            assert places == sorted(places)
            assert "SanityChecks" not in result.stdout
    assert counts == [(True, len({*CHECKS, *SIGNS})), (False, len(SIGNS)), (False, len({*CHECKS, *SIGNS}))]


def test_notes_come_first_and_stay_with_the_run(capsys: pytest.CaptureFixture[str]) -> None:
    from mri_robust.cli.run import config_of, execute

    options = {"device": "cpu", "precision": "fp32", "threads": 1, "seeds": 1, "executor": "local", "ray_address": None}
    options |= {"gpu_share": 1.0, "checks": "none", "quiet": True, "data": "phantom:train=8,test=8"}
    config = config_of(options, scale=replace(QUICK, image_size=16), models=(External(MASKED),))
    note, opened = "scores [red]\nread as", {MASKED: open_model(MASKED)}
    execute([load_experiment("fgsm")], [config], Path("out"), options, opened=opened, notes=[note])
    assert capsys.readouterr().out.startswith("note: scores [red] read as\n")
    assert json.loads(Path("out/run.json").read_text())["notes"][0] == note


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "name your model"),
        (["--model", "nowhere:one"], "cannot be imported"),
        (["--model", MASKED, "--eps", "many"], "no list of numbers"),
        (["--model", MASKED, "--eps", "1/0"], "no list of numbers"),
        (["--model", MASKED, "--eps", "4"], "[0, 1]"),
        (["--model", MASKED, "--norm", "l2", "--eps", "128"], "255"),
        (["--model", MASKED, "--norm", "l2", "--eps", "-1"], "--eps"),
        (["--model", MASKED, "--norm", "l1"], "'l1' is not one of"),
        (["--model", MASKED, "--eps", "0"], "at least one radius"),
        (["--model", MASKED, "--channels", "grey", "--size", "40"], "fails on images"),
        (["--model", "own_models:Colour"], "fails on images"),
        (["--model", MASKED, "--mean", ".5"], "one or three numbers"),
        (["--model", "pets.safetensors"], "has 2 classes (cat, dog)"),
        (["--model", "pets.safetensors", "--classes", "cat=glioma,dog=notumor"], "has 2 classes"),
        (["--model", MASKED, "--classes", "glioma"], "pairs"),
        (["--model", "pets.safetensors", "--mean", ".5", "--std", ".5"], "has its own"),
        (["--model", MASKED, "--weights", "a.pth", "--weights", "b.pth"], "given twice"),
        (["--mean", ".5", "--std", ".5", "--model", MASKED, "--model", "own_models:Colour"], "stands before"),
        (["--model", "own_models.py:Masked"], MASKED),
        (["--model", "pets.safetensors", "--model", "own_models:Colour"], "--channels grey and rgb"),
        (["--model", "absent[/b].safetensors"], "does not exist"),
        (["--model", MASKED, "--data", "nowhere"], "does not exist"),
        (["--model", MASKED, "--fail-under", "4/255=1.5"], "no floor"),
        (["--model", MASKED, "--fail-under", "3/255=0.5"], "not among those of --eps"),
        (["--model", MASKED, "--norm", "l2", "--fail-under", "4/255=0.5"], "not among those of --eps"),
        (["fgsm", "--model", MASKED, "--fail-under", "4/255=0.5"], "worst-case"),
        (["noisy-loss", "--model", MASKED], "trains its own models"),
    ],
)
def test_bad_input_is_one_line_and_nothing_is_written(arguments: list[str], message: str) -> None:
    save_checkpoint("pets.safetensors", ("cat", "dog"))
    output = audit(*arguments, code=2).output
    assert message in output
    assert output.count("\n") == 1
    assert not Path("audit-results").exists()


def test_the_tests_are_listed() -> None:
    listed = [line.split()[0] for line in audit("--list", code=0).output.splitlines()]
    assert listed[:3] == ["fgsm", "pgd", "worst-case"]
    assert listed == [each.name for each in all_experiments(beyond=True) if each.finished]
