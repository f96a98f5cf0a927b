"""`mri-robust crosscheck`: the certificate of a checkpoint, of the quick CNN_clean, and of a broken attack."""

import json

import pytest
from click.testing import CliRunner
from toy_data import CLASSES

from mri_robust import save_model
from mri_robust.attacks.evasion.fgsm import FGSM
from mri_robust.cli import main
from mri_robust.evaluation.broken_attacks import MUTANTS
from mri_robust.models.classifier import build_model


@pytest.fixture
def checkpoint(tmp_path):
    path = tmp_path / "odd[/b].safetensors"  # markup to the terminal
    save_model(build_model("cnn", classes=CLASSES, image_size=24), path)
    return path


def crosscheck(tmp_path, *arguments):
    out = tmp_path / "certificate.json"
    result = CliRunner().invoke(main, ["crosscheck", "--out", str(out), *map(str, arguments)])
    return result, out


def test_the_certificate_of_a_checkpoint_is_read_at_its_image_size(checkpoint, tmp_path):
    result, out = crosscheck(tmp_path, "--model", checkpoint, "--data", "phantom:train=8,test=16", "--images", 8)
    assert result.exit_code == 0, result.output
    content = json.loads(out.read_text())
    assert result.output.strip().splitlines()[-1] == content["verdict"]
    assert content["passed"] is True
    assert content["images"] == 8
    assert content["about"]["model"].startswith(f"{checkpoint}-")
    assert content["mutants_caught"] == dict.fromkeys(MUTANTS, True)
    assert content["verdict"].endswith("7 of 7 mutants caught")
    fgsm = {(row["engine"], row["other"]): row for row in content["comparisons"] if row["attack"] == "fgsm"}
    assert list(fgsm) == [("native", "art"), ("native", "torchattacks"), ("art", "torchattacks")]
    assert {row["bit_identical"] for row in fgsm.values()} == {1.0}
    (trigger,) = (row for row in content["comparisons"] if row["attack"] == "creeper trigger")
    assert (trigger["images"], trigger["bit_identical"], trigger["passed"]) == (8, 1.0, True)


def test_a_broken_bound_is_exit_code_1(checkpoint, tmp_path, monkeypatch):
    monkeypatch.setattr(FGSM, "craft", lambda self, model, images, *rest: images.clone())
    result, out = crosscheck(tmp_path, "--model", checkpoint, "--data", "phantom:train=8,test=8")
    assert result.exit_code == 1
    assert result.output.strip().splitlines()[-1].startswith("cross-check FAILED: fgsm (native against art)")
    assert json.loads(out.read_text())["passed"] is False


def test_without_a_model_the_quick_cnn_clean_is_trained_once_and_kept(tmp_path):
    arguments = ("--data", "phantom:train=16,test=8", "--images", 4)
    first, _ = crosscheck(tmp_path, *arguments)
    second, _ = crosscheck(tmp_path, *arguments)
    assert first.exit_code == second.exit_code == 0, first.output
    assert "train cnn_clean" in first.output
    assert "train cnn_clean" not in second.output
