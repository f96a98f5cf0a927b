"""`mri-robust curve` on a stranger's model: what it prints, what it writes, what it warns of, what it refuses."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

from mri_robust.cli import main

DATA = "phantom:train=40,test=24"
SOURCE = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, seed):
        super().__init__()
        torch.manual_seed(seed)
        self.conv, self.head = nn.Conv2d(3, 6, 3, padding=1), nn.Linear(6 * 64, 4)
    def forward(self, images):
        return self.head(torch.relu(nn.functional.max_pool2d(self.conv(images), 4)).flatten(1))

class Masked(Net):
    def forward(self, images):
        return super().forward((images * 8).round() / 8)

def one(): return Net(0)
def two(): return Net(1)
def masked(): return Masked(0)
def softmax(): return nn.Sequential(Net(0), nn.Softmax(1))
"""
SHORT = ["--data", DATA, "--size", "32", "--steps", "3", "--eps", "1/255,4/255,16/255"]


@pytest.fixture(autouse=True)
def stranger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "their_models.py").write_text(SOURCE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    sys.modules.pop("their_models", None)


def curve(*arguments: str):
    return CliRunner().invoke(main, ["curve", *arguments])


def test_a_factorys_model_gets_a_table_its_images_a_figure_and_a_record(tmp_path: Path) -> None:
    result = curve("--model", "their_models:one", *SHORT)
    assert result.exit_code == 0, result.output
    table = pd.read_csv(tmp_path / "curve" / "curve.csv")
    assert (table["epsilon"] * 255).round().tolist() == [0, 1, 4, 16]
    assert table["accuracy"].is_monotonic_decreasing
    assert (table["n"] == 24).all()
    images = pd.read_csv(tmp_path / "curve" / "images.csv")
    smallest = images["their_models:one"]
    for row in table.itertuples():
        assert row.accuracy == pytest.approx((smallest > row.epsilon).mean())
    assert (tmp_path / "curve" / "curve.png").read_bytes().startswith(b"\x89PNG")
    about = json.loads((tmp_path / "curve" / "curve.json").read_text())
    assert about["settings"]["steps"] == 3
    assert len(about["sanity_checks"]["their_models:one"]) == 9
    assert "sanity checks passed" in result.output


def test_two_models_are_compared_on_the_same_images(tmp_path: Path) -> None:
    result = curve("--model", "their_models:one", "--model", "their_models:two", *SHORT)
    assert result.exit_code == 0, result.output
    compared = pd.read_csv(tmp_path / "curve" / "comparisons.csv")
    table = pd.read_csv(tmp_path / "curve" / "curve.csv").pivot(index="epsilon", columns="model", values="accuracy")
    gaps = (table["their_models:one"] - table["their_models:two"]).to_numpy()
    assert compared["difference"].to_numpy() == pytest.approx(gaps)
    assert ((compared["only_model_right"] - compared["only_other_right"]) / 24).to_numpy() == pytest.approx(gaps)
    assert "McNemar p" in result.output


def test_a_masked_model_is_warned_of_and_the_worst_case_is_below_its_curve(tmp_path: Path) -> None:
    masked = curve("--model", "their_models:masked", *SHORT)
    assert masked.exit_code == 0, masked.output
    assert "warning their_models:masked" in masked.output
    shown = pd.read_csv(tmp_path / "curve" / "curve.csv")["accuracy"].to_numpy()
    curve("--model", "their_models:masked", *SHORT, "--attack", "worst-case", "--restarts", "1", "--out", "worst")
    worst = pd.read_csv(tmp_path / "worst" / "curve.csv")["accuracy"].to_numpy()
    assert (worst <= shown).all()
    assert worst[-1] < shown[-1]


def test_seeds_repeat_the_worst_case_and_give_a_spread(tmp_path: Path) -> None:
    options = ["--attack", "worst-case", "--restarts", "1", "--seeds", "2", "--images", "8"]
    result = curve("--model", "their_models:one", *SHORT, *options)
    assert result.exit_code == 0, result.output
    table = pd.read_csv(tmp_path / "curve" / "curve.csv")
    assert table["spread"].notna().all()
    assert (table["n"] == 8).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model", "nowhere:one"], "cannot be imported"),
        (["--model", "their_models:one", "--eps", "many"], "no list of numbers"),
        (["--model", "their_models:one", "--eps", "1/0"], "no list of numbers"),
        (["--model", "their_models:one", "--eps", "4"], "must lie in [0, 1]"),
        (["--model", "their_models:one", "--eps", "0"], "at least one radius"),
        (["--model", "their_models:one", "--size", "40"], "fails on images"),
        (["--model", "their_models:one", "--mean", ".5"], "one or three numbers"),
        (["--model", "absent.safetensors"], "does not exist"),
        (["--model", "their_models:one", "--data", "nowhere"], "does not exist"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(arguments: list[str], message: str, tmp_path: Path) -> None:
    result = curve(*SHORT, *arguments)
    assert result.exit_code == 2
    assert message in result.output
    assert "Traceback" not in result.output
    assert not (tmp_path / "curve" / "curve.csv").exists()
