"""The tables and figures on training-time attacks, backdoors and snooping, from the command line, under both."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from PIL import Image

from mri_robust.attacks.training_time.fooling_loss import FoolingLoss
from mri_robust.bench import certify
from mri_robust.cli import main
from mri_robust.study.experiment import all_experiments, load_experiment
from mri_robust.study.scale import SCALES

DATA = "phantom:train=64,test=24"
NAMES = [experiment.name for experiment in all_experiments() if experiment.name not in ("fgsm", "pgd")]
TINY = {
    "image_size": 16,
    "epochs": {10: 1, 5: 1},
    "resnet_epochs": {5: 1, 10: 1},
    "attacked_epochs": {5: 2, 10: 1},
    "strengths": (1,),
}


def bench(*arguments):
    return CliRunner().invoke(main, ["bench", *map(str, arguments)])


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A finished run at 16 pixels."""
    patch = pytest.MonkeyPatch()
    patch.setenv("MRI_ROBUST_CACHE", str(tmp_path_factory.mktemp("cache")))
    patch.setitem(SCALES, "quick", replace(SCALES["quick"], **TINY))
    patch.setattr(certify, "BENCH_IMAGES", 8)
    out = tmp_path_factory.mktemp("run") / "results"
    result = bench(*NAMES, "--data", DATA, "--protocol", "both", "--out", out)
    assert result.exit_code == 0, result.output
    yield out
    patch.undo()


def table(study, name):
    return pd.read_csv(study / f"{name}.csv", keep_default_na=False)


def test_the_study_has_eleven_tables_and_figures_and_the_pipeline_beside():
    listed = bench("--list").output
    assert len(all_experiments()) == 12
    for experiment in all_experiments():
        assert experiment.name in listed
        assert experiment.reference in listed
    aliases = {alias for experiment in all_experiments() for alias in experiment.aliases}
    assert aliases == {f"table{n}" for n in range(1, 10)} | {f"figure{n}" for n in range(2, 7)}


@pytest.mark.parametrize("name", NAMES)
def test_every_experiment_has_rows_under_both_protocols_with_rates_in_their_range(study, name):
    rows = table(study, name)
    assert list(dict.fromkeys(rows["protocol"])) == ["sound", "paper"]
    rates = rows[rows["metric"].isin(["accuracy", "precision", "recall", "f1", "asr", "fpr", "auc", "referred"])]
    assert rates["value"].between(0, 1).all()
    bounded = rates[rates["ci_low"] != ""].astype({"ci_low": float, "ci_high": float})
    assert ((bounded["ci_low"] <= bounded["value"]) & (bounded["value"] <= bounded["ci_high"])).all()


@pytest.mark.parametrize("name", [name for name in NAMES if name != "snoop-pipeline"])
def test_every_number_that_the_study_prints_stands_in_the_csv_under_either_protocol(study, name):
    rows, experiment = table(study, name), load_experiment(name)
    for _, under in rows[rows["paper"] != ""].groupby("protocol"):
        found = set(zip(under["model"], under["paper"].astype(float), strict=True))
        assert found == {(model, number) for (_, model), number in experiment.paper.items()}


def test_attack_success_is_measured_under_the_sound_protocol_alone(study):
    rows = table(study, "backdoor-cnn")
    assert set(rows[rows["metric"] == "asr"]["protocol"]) == {"sound"}
    badnets = rows[(rows["model"] == "cnn_badnets") & (rows["metric"] == "asr") & (rows["subset"] == "all")]
    assert [row.split(";")[0] for row in badnets["condition"]] == ["share=0.01", "share=0.05", "share=0.1"]


def test_resnets_from_random_weights_say_so_in_every_row_and_once_in_the_run(study):
    for name in ("backdoor-resnet50", "snooping-small"):
        assert set(table(study, name)["weights"]) == {"none"}
    warnings = json.loads((study / "run.json").read_text())["warnings"]
    assert sum("ImageNet" in warning for warning in warnings) == 1


def test_the_figures_are_there(study):
    drawn = {path.name for path in (study / "figures").iterdir()}
    assert {"backdoor-cnn-paper-trigger.png", "drunk-sweep-sound-curves.png", "drunk-defence-paper-curves.png"} <= drawn
    assert {"snooping-small-sound-roc.png", "snooping-small-sound-samples.png"} <= drawn
    assert {"fooling-loss-paper-confusion.png", "noisy-loss-sound-curves.png"} <= drawn


def test_a_second_run_computes_nothing(study):
    before = {path.name: path.read_bytes() for path in study.glob("*.csv")}
    some = ("backdoor-cnn", "snoop-pipeline")
    assert bench(*some, "--data", DATA, "--protocol", "both", "--out", study).exit_code == 0
    assert json.loads((study / "run.json").read_text())["computed"] == 0
    assert {path.name: path.read_bytes() for path in study.glob("*.csv")} == before


def test_a_detector_is_no_classifier_and_a_classifier_no_detector(study):
    detector = next((study / "models").glob("resnet18_snoop-*"))
    classifier = next((study / "models").glob("cnn_backdoor-*"))
    refused = CliRunner().invoke(main, ["crosscheck", "--model", str(detector), "--data", DATA])
    assert refused.exit_code == 2
    assert "is a snooping detector" in refused.output
    refused = CliRunner().invoke(main, ["snoop", "--detector", str(classifier), str(study / "figures")])
    assert refused.exit_code == 2
    assert "no snooping detector" in refused.output or "not a snooping detector" in refused.output


def test_a_loss_that_is_not_finite_stops_with_its_step_and_stores_nothing(study, tmp_path, monkeypatch):
    def broken(self, logits, labels):
        return logits.sum() * float("nan")

    monkeypatch.setattr(FoolingLoss, "forward", broken)
    out = tmp_path / "results"
    result = bench("fooling-loss", "--data", DATA, "--out", out)
    assert result.exit_code == 2
    assert "the loss is nan in epoch 1, step 1" in result.output
    assert "Traceback" not in result.output
    assert all(path.name.endswith(".failed.json") for path in (out / "cells").iterdir())
    assert not list((out / "models").glob("cnn_fooling-*"))


def test_data_without_a_healthy_class_are_told_before_anything_is_trained(study, tmp_path):
    random = np.random.default_rng(0)
    for split in ("Training", "Testing"):
        for name in ("left", "right"):
            folder = tmp_path / "own" / split / name
            folder.mkdir(parents=True)
            for index in range(6):
                Image.fromarray(random.integers(0, 255, (20, 20), dtype=np.uint8)).save(folder / f"{index}.png")
    out = tmp_path / "results"
    result = bench("drunk-sweep", "backdoor-cnn", "--data", tmp_path / "own", "--out", out)
    assert result.exit_code == 2
    assert "have none among left, right" in result.output
    assert not list(out.rglob("*.safetensors"))
