"""One small bench from the command line, looked at from all sides."""

import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from PIL import Image

from mri_robust.bench import certify
from mri_robust.bench.tables import COLUMNS
from mri_robust.cli import main
from mri_robust.report.markdown import write_report
from mri_robust.study.scale import SCALES

DATA = "phantom:train=48,test=24"
MODELS = {"cnn_clean", "cnn_fgsm", "cnn_pgd", "resnet_pgd", "ensemble"}


def bench(out, *arguments):
    result = CliRunner().invoke(main, ["bench", "--data", DATA, "--out", str(out), *arguments])
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """A finished run of both experiments under both protocols, at 16 pixels and with short trainings."""
    patch = pytest.MonkeyPatch()
    patch.setenv("MRI_ROBUST_CACHE", str(tmp_path_factory.mktemp("cache")))
    patch.setitem(SCALES, "quick", replace(SCALES["quick"], image_size=16, epochs={10: 2, 5: 1}, resnet_epochs={5: 1}))
    patch.setattr(certify, "BENCH_IMAGES", 8)
    out = tmp_path_factory.mktemp("run") / "results"
    out.with_suffix(".txt").write_text(bench(out, "fgsm", "table4", "--protocol", "both"))
    yield out
    patch.undo()


@pytest.fixture
def copy(first, tmp_path):
    return Path(shutil.copytree(first, tmp_path / "results"))


@pytest.fixture(scope="module")
def fgsm(first):
    return pd.read_csv(first / "fgsm.csv", keep_default_na=False)


def overall(table, **wanted):
    wanted = {"metric": "accuracy", "subset": "all", "class": "", **wanted}
    for column, value in wanted.items():
        table = table[table[column] == value]
    return table


def test_the_last_line_is_the_verdict_and_every_file_is_there(first):
    assert first.with_suffix(".txt").read_text().strip().splitlines()[-1].startswith("cross-check PASSED")
    names = {path.relative_to(first).as_posix() for path in first.rglob("*") if path.is_file()}
    assert {"fgsm.csv", "pgd.csv", "report.md", "crosscheck.json", "run.json"} <= names
    for experiment in ("fgsm", "pgd"):
        for protocol in ("sound", "paper"):
            for figure in ("accuracy", "images"):
                path = first / "figures" / f"{experiment}-{protocol}-{figure}.png"
                assert path.read_bytes().startswith(b"\x89PNG")
    models = {path.name.rsplit("-", 1)[0] for path in (first / "models").iterdir()}
    assert models == MODELS | {"resnet_clean", "cnn_raw"}


def test_the_csv_has_the_promised_columns_and_a_number_a_row(fgsm):
    assert tuple(fgsm.columns) == tuple(COLUMNS)
    assert not fgsm.duplicated(subset=[*COLUMNS[:-5]]).any()
    values = fgsm["value"].astype(float)
    assert ((fgsm["ci_low"].astype(float) <= values) & (values <= fgsm["ci_high"].astype(float))).all()


def test_rows_of_epsilon_0_are_clean_and_epsilons_are_in_pixels_under_either_protocol(fgsm):
    clean = overall(fgsm, attack="none")
    assert set(clean["epsilon"]) == {0.0}
    assert set(clean["model"]) == MODELS | {"cnn_raw"}
    for protocol in ("sound", "paper"):
        row = overall(fgsm, protocol=protocol, model="cnn_clean", condition="printed=0.1")
        assert row["epsilon"].item() == pytest.approx(0.1 * 0.1813)
        assert row["paper"].item() == "0.0"


def test_accuracy_is_the_mean_of_recalls_weighted_by_class(fgsm):
    keys = ["protocol", "model", "epsilon", "condition", "subset"]
    recalls = fgsm[fgsm["metric"] == "recall"].assign(hits=lambda t: t["value"] * t["n"])
    by_class = recalls.groupby(keys)[["hits", "n"]].sum()
    accuracy = fgsm[fgsm["metric"] == "accuracy"].set_index(keys)
    rebuilt = (by_class["hits"] / by_class["n"]).reindex(accuracy.index)
    assert rebuilt.to_numpy() == pytest.approx(accuracy["value"].to_numpy())


def test_worst_case_accuracy_never_rises_with_epsilon(first):
    table = pd.read_csv(first / "pgd.csv", keep_default_na=False)
    worst = overall(table[table["condition"].str.startswith("worst-case")], protocol="sound")
    for _, rows in worst.groupby("model"):
        assert (rows.sort_values("epsilon")["value"].diff().dropna() <= 0).all()


def test_the_sound_protocol_sets_leaked_images_apart(fgsm):
    assert set(fgsm[fgsm["protocol"] == "sound"]["subset"]) == {"all", "leak-free"}
    assert set(fgsm[fgsm["protocol"] == "paper"]["subset"]) == {"all"}


def test_fault_rgb_images_the_paper_protocol_reads_colour_and_the_sound_one_grey(first):
    assert set(json.loads((first / "run.json").read_text())["data"]) == {"grey", "rgb"}


def test_a_second_run_computes_nothing_and_writes_the_same_bytes(copy):
    before = {path.name: path.read_bytes() for path in copy.glob("*.csv")}
    bench(copy, "fgsm", "table4", "--protocol", "both")
    run = json.loads((copy / "run.json").read_text())
    assert (run["computed"], run["reused"] > 0) == (0, True)
    assert {path.name: path.read_bytes() for path in copy.glob("*.csv")} == before


def test_damaged_cells_and_models_are_noticed_and_made_again(copy):
    before = (copy / "fgsm.csv").read_bytes()
    run = json.loads((copy / "run.json").read_text())
    cell = copy / "cells" / f"{run['cells']['fgsm'][0]}.json"
    cell.write_text(cell.read_text().replace('"value":', '"value":1', 1))
    other = copy / "cells" / f"{run['cells']['fgsm'][1]}.json"
    other.write_bytes(other.read_bytes()[:100])
    model = next((copy / "models").glob("cnn_clean-*"))
    model.write_bytes(model.read_bytes()[:1000])
    bench(copy, "fgsm", "--protocol", "both")
    assert json.loads((copy / "run.json").read_text())["computed"] == 2
    assert (copy / "fgsm.csv").read_bytes() == before


@pytest.mark.parametrize("engine", ["art", "torchattacks"])
def test_the_same_table_by_another_engine_has_equal_accuracies(engine, copy, fgsm):
    bench(copy, "fgsm", "--engine", engine)
    table = pd.read_csv(copy / "fgsm.csv", keep_default_na=False)
    native = fgsm[fgsm["protocol"] == "sound"].reset_index(drop=True)
    assert set(table["engine"]) == {engine}
    pd.testing.assert_frame_equal(table.drop(columns="engine"), native.drop(columns="engine"))


def test_the_report_prints_each_table_beside_the_studys_numbers(first):
    text = (first / "report.md").read_text()
    heading = "| ε | CNN_clean | CNN_FGSM | CNN_PGD | ResNet_PGD | Ensemble |"
    assert heading in text
    row = next(line for line in text.splitlines() if line.startswith("| 0.01 |"))
    assert re.search(r"· 0\.07 .*· 0\.84 .*· 0\.84 .*· \(0\.93\) .*· \(0\.97\)", row)
    assert "`clamp-normalised`" in text
    for link in re.findall(r"!\[.*?\]\((.*?)\)", text):
        assert (first / link).is_file()


def test_the_report_is_made_again_from_the_folder_without_torch(copy):
    before = (copy / "report.md").read_text()
    (copy / "report.md").unlink()
    code = (
        "import sys; from pathlib import Path; from mri_robust.report.markdown import write_report;"
        f"write_report(Path({str(copy)!r})); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert (copy / "report.md").read_text() == before


def test_text_of_the_users_cannot_break_out_of_the_report(copy):
    run = json.loads((copy / "run.json").read_text())
    run["command"] = "mri-robust `x` | <script>alert(1)</script>\n# heading"
    (copy / "run.json").write_text(json.dumps(run))
    text = write_report(copy).read_text()
    assert "<script>" not in text
    assert "\n# heading" not in text


def test_several_seeds_give_a_mean_and_a_spread(copy):
    output = bench(copy, "fgsm", "--seeds", "2")
    table = pd.read_csv(copy / "fgsm.csv", keep_default_na=False)
    assert set(table["seed"]) == {42, 43}
    assert " ± " in (copy / "report.md").read_text()
    assert "PASSED" in output


def test_the_strong_worst_case_chains_libraries_attacks_and_is_never_above_plain_pgd(first, tmp_path, monkeypatch):
    strong = replace(SCALES["quick"], strong=True, restarts=2, steps=3)
    monkeypatch.setitem(SCALES, "quick", strong)
    bench(tmp_path / "results", "pgd")
    rows = overall(pd.read_csv(tmp_path / "results" / "pgd.csv", keep_default_na=False))
    assert {"cnn_fgsm_scratch", "cnn_pgd_scratch"} <= set(rows["model"])
    plain = rows[rows["condition"] == "worst-case;restarts=2"]
    values = plain.pivot(index=["model", "epsilon"], columns="attack", values="value")
    assert len(values) == 7 * 4
    assert (values["pgd-APGD-APGDT-Square"] <= values["pgd"]).all()
    assert "+ APGD, Square" in (tmp_path / "results" / "report.md").read_text()


def test_two_classes_without_a_tumour_class_get_their_table(first, tmp_path):
    random = np.random.default_rng(0)
    for split in ("Training", "Testing"):
        for name, brightness in (("left", 40), ("right", 160)):
            folder = tmp_path / "own" / split / name
            folder.mkdir(parents=True)
            for index in range(12):
                pixels = random.integers(brightness, brightness + 60, (20, 24), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / f"{index}.png")
    out = tmp_path / "results"
    result = CliRunner().invoke(main, ["bench", "fgsm", "--data", str(tmp_path / "own"), "--out", str(out)])
    assert result.exit_code == 0, result.output
    table = pd.read_csv(out / "fgsm.csv", keep_default_na=False)
    assert set(table["class"]) == {"", "left", "right"}
    assert "missed_tumour_rate" not in set(table["metric"])
