"""The table of model inversion from the command line, at 16 pixels."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

from mri_robust.bench import certify
from mri_robust.cli import main
from mri_robust.study.scale import SCALES

TINY = {
    "image_size": 16,
    "epochs": {10: 1, 5: 1, 30: 1},
    "resnet_epochs": {5: 1, 10: 1},
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    patch = pytest.MonkeyPatch()
    patch.setenv("MRI_ROBUST_CACHE", str(tmp_path_factory.mktemp("cache")))
    patch.setitem(SCALES, "quick", replace(SCALES["quick"], **TINY))
    patch.setattr(certify, "BENCH_IMAGES", 8)
    out = tmp_path_factory.mktemp("run") / "results"
    arguments = ["bench", "inversion", "--data", "phantom:train=64,test=24", "--out", str(out)]
    result = CliRunner().invoke(main, arguments)
    patch.undo()
    assert result.exit_code == 0, result.output
    return out


def test_every_number_is_a_share_or_a_similarity_and_art_agrees(finished: Path) -> None:
    rows = pd.read_csv(finished / "inversion.csv", keep_default_na=False)
    shares = rows[rows["metric"].isin(["confidence", "second_confidence", "recognised", "roughness"])]
    assert shares["value"].between(0, 1).all()
    assert rows[rows["metric"].str.endswith("ssim")]["value"].between(-1, 1).all()
    differences = rows[rows["metric"] == "art_difference"]
    assert set(differences["engine"]) == {"art"}
    assert len(differences) == 3 * 2
    assert (differences["value"] <= 60 * 2.0**-24).all()


def test_the_figure_and_its_footnotes_are_in_the_report(finished: Path) -> None:
    text = (finished / "report.md").read_text()
    assert "SSIM, nearest: with the most similar of all training images" in text
    assert "figures/inversion-sound-inversion.png" in text
    assert (finished / "figures" / "inversion-sound-inversion.png").stat().st_size > 10_000
    assert "confidentiality attacks" in (finished / "report.html").read_text()


def test_no_cell_keeps_an_image_of_the_data(finished: Path) -> None:
    for path in (finished / "cells").glob("*.json"):
        result = json.loads(path.read_text())["result"]
        assert set(result) == {"rows", "reconstructions"}
        names = [made["name"] for made in result["reconstructions"]]
        assert names == [
            "class mean",
            "ours, from the average image",
            "ours, from grey",
            "ART, logits",
            "ART, probabilities",
        ]
