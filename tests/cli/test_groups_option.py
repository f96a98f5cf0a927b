"""`--groups` on a run: other intervals under other names in the store, and a report that says so."""

import json
from pathlib import Path

import pandas as pd
import pytest
import torch
from click.testing import CliRunner
from toy_data import CLASSES

from mri_robust import save_model
from mri_robust.cli import main
from mri_robust.data.dataset import load_dataset
from mri_robust.models.classifier import build_model
from mri_robust.report.content import Report

DATA = "phantom:train=8,test=40"


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(1)
    save_model(build_model("cnn", classes=CLASSES, image_size=16, channels="grey"), "model.safetensors")
    names = [name for split in ("train", "test") for name in getattr(load_dataset(DATA, size=16), split).names]
    lines = [f"{name},MILLER{number // 5}" for number, name in enumerate(sorted(names))]
    Path("groups.csv").write_text("\n".join(["file,patient", *lines]))
    shared = ["--model", "model.safetensors", "--data", DATA, "--checks", "none", "--threads", "1", "--out", "out"]
    return ["audit", "fgsm", *shared]


def ran(*arguments: str) -> tuple[dict, pd.DataFrame]:
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 0, done.output
    return json.loads(Path("out/run.json").read_text()), pd.read_csv("out/fgsm.csv")


def test_groups_change_intervals_and_nothing_else_and_have_results_of_their_own(asked: list[str]) -> None:
    plain, before = ran(*asked)
    first = {each["digest"] for each in plain["evaluations"]}
    grouped, found = ran(*asked, "--groups", "groups.csv")
    assert first.isdisjoint(each["digest"] for each in grouped["evaluations"])
    report = Report(Path("out"))
    assert grouped["computed"] == plain["computed"] > 0
    bounds = ["ci_low", "ci_high"]
    pd.testing.assert_frame_equal(found.drop(columns=bounds), before.drop(columns=bounds))
    assert not found[bounds].equals(before[bounds])
    [said] = {facts["intervals"] for facts in grouped["data"].values()}
    assert said in grouped["notes"]
    assert [section.notes[-1] for section in report.sections] == [f"{said}."]
    assert not any(b"MILLER" in path.read_bytes() for path in Path("out").rglob("*") if path.is_file())
    again, after = ran(*asked)
    assert (again["computed"], {each["digest"] for each in again["evaluations"]}) == (0, first)
    assert all("intervals" not in facts for facts in again["data"].values())
    pd.testing.assert_frame_equal(after, before)
