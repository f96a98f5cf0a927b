"""Somebody's own DICOM and NIfTI slices, classes and tumours, from the files to the tables."""

import shutil
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result
from medical_files import PATIENT, dicom, folder_of, nifti, zip_of
from scipy.stats import binomtest

from mri_robust.bench import runner
from mri_robust.cli import main
from mri_robust.evaluation.comparison import engine
from mri_robust.evaluation.crosscheck import crosscheck
from mri_robust.evaluation.worst_case import SURVIVOR_ATTACKS
from mri_robust.experiments import smoothing

SICK, WELL = "Tumor Grad III", "Kontrolle"
SIDE = 16
MODELS = """
import torch
from torch import nn

class Bright(nn.Module):
    def forward(self, images):
        mean = images.mean((1, 2, 3))
        return 40 * torch.stack([0.5 - mean, mean - 0.5], 1)

class Random(nn.Sequential):
    def __init__(self, pixels=256):
        torch.manual_seed(0)
        super().__init__(nn.Flatten(), nn.Linear(pixels, 5))

class Coloured(Random):
    def __init__(self):
        super().__init__(768)
"""


def even(grey: int) -> bytes:
    """A DICOM slice whose every pixel is that grey on a screen: this window shows a value of 8 bits as it is."""
    pixels = np.full((SIDE, SIDE), grey, np.uint8)
    return dicom(pixels, WindowCenter=128, WindowWidth=256)


def split_rows(bright: int) -> bytes:
    """A NIfTI slice, black but for so many rows."""
    values = np.zeros((SIDE, SIDE, 1), np.int16)
    values[:, :bright] = 900
    return nifti(values)


def two_classes() -> dict[str, bytes]:
    """Bright slices of one class, dark ones of the other."""
    slices = {
        SICK: {"a.dcm": even(140), "IM0002": even(130), "1.2.840.5": even(160), "b.nii": split_rows(9)},
        WELL: {"a.dicom": even(110), "IM0001": even(90), "DICOMDIR": even(0), "README": b"x" * 300},
    }
    classes = {f"{label}/{name}": content for label, files in slices.items() for name, content in files.items()}
    return {f"{split}/{name}": content for split in ("Training", "Testing") for name, content in classes.items()}


def five_classes() -> dict[str, bytes]:
    generator = np.random.default_rng(0)
    names = ("0", "glioma (IV)", "[red]méningiome", "ohne Befund", "$x_{1}")

    files = dict[str, bytes]()
    for folder in (f"{split}/{name}" for split in ("Training", "Testing") for name in names):
        files[f"{folder}/0.dcm"] = dicom(generator.integers(0, 256, (20, 18, 3), dtype=np.uint8))
        files[f"{folder}/1.nii"] = nifti(generator.normal(500, 90, (18, 20, 1)))
    return files


@pytest.fixture(autouse=True)
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_models.py").write_text(MODELS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    sys.modules.pop("own_models", None)
    monkeypatch.setitem(SURVIVOR_ATTACKS, "quick", ())
    engines = {name: engine(name) for name in ("native", "art")}
    monkeypatch.setattr(runner, "crosscheck", partial(crosscheck, steps=1, engines=engines))


def run(*arguments: object) -> Result:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert PATIENT not in result.output
    return result


def worst_case(*arguments: object) -> pd.DataFrame:
    """One line per epsilon, 0 first; columns (`value`, `ci_low`, `ci_high`, `n`) of each metric."""
    result = run("audit", "worst-case", "--size", SIDE, "--steps", 12, "--restarts", 1, *arguments)
    assert result.exit_code == 0, result.output
    table = pd.read_csv("audit-results/worst-case.csv", keep_default_na=False).query("epsilon != ''")
    table = table[(table["subset"] == "all") & (table["class"] == "")]
    table = table.assign(epsilon=pd.to_numeric(table["epsilon"]).fillna(0))
    table = table.drop_duplicates(["metric", "epsilon"], keep="last")
    numbers = table.pivot(index="epsilon", columns="metric", values=["value", "ci_low", "ci_high", "n"])
    return numbers.astype(float).swaplevel(axis=1)


def test_info_counts_slices_of_every_kind_in_a_folder_and_a_zip(tmp_path: Path) -> None:
    sources = folder_of(two_classes(), tmp_path / "own"), zip_of(two_classes(), tmp_path / "own.zip")
    outputs = [run("data", "info", "--size", SIDE, "--data", source).output for source in sources]
    for output in outputs:
        words = output[output.index("train") :].split()
        assert words[words.index("Tumor") + 3 :][:3] == ["4", "4", "8"]
        assert words[words.index(WELL) + 1 :][:3] == ["2", "2", "4"]
        assert "4 not an image" in output  # DICOMDIR and README, twice
        assert "16 x 16 (12)" in output
    digests = [next(line for line in output.splitlines() if "digest" in line) for output in outputs]
    assert digests[0] == digests[1]


def test_the_worst_case_over_dicom_and_nifti_is_the_closed_form(tmp_path: Path) -> None:
    """The model asks for the mean grey: an even slice is fooled at its distance from the middle; of that with 9 white
    rows of 16 only those can be made darker."""
    folder = folder_of(two_classes(), tmp_path / "own")
    asked = ("--model", "own_models:Bright", "--data", folder, "--channels", "grey", "--tumour-classes", SICK)
    found = worst_case(*asked, "--eps", "2/255,4/255,16/255,24/255,32/255,40/255")
    smallest = {SICK: [12.5, 2.5, 32.5, (9 / 16 - 0.5) * 255 * 16 / 9], WELL: [17.5, 37.5]}  # of 140, 130, 160; 110, 90
    for eps, row in found.iterrows():
        fooled = {label: sum(each < eps * 255 for each in own) for label, own in smallest.items()}
        assert row["accuracy", "value"] == pytest.approx(1 - sum(fooled.values()) / 6)
        missed = row["missed_tumour_rate"]
        assert missed["value"] == pytest.approx(fooled[SICK] / 4)
        interval = binomtest(fooled[SICK], 4).proportion_ci(method="wilson")
        assert (missed["ci_low"], missed["ci_high"]) == pytest.approx((interval.low, interval.high))
    assert found["missed_tumour_rate", "value"].tolist() == [0, 0, 0.25, 0.5, 0.5, 0.75, 1]
    assert (found["missed_tumour_rate", "n"] == 4).all()


def test_two_classes_have_no_missed_tumours_unless_somebody_names_them(tmp_path: Path) -> None:
    source = zip_of(two_classes(), tmp_path / "own.zip")
    found = worst_case("--model", "own_models:Bright", "--data", source, "--channels", "grey", "--eps", "16/255")
    assert found["accuracy", "value"].tolist() == pytest.approx([1, 4 / 6])
    assert "missed_tumour_rate" not in found


@pytest.mark.parametrize(("channels", "model"), [("grey", "Random"), ("rgb", "Coloured")])
def test_five_classes_of_any_name(channels: str, model: str, tmp_path: Path) -> None:
    source = folder_of(five_classes(), tmp_path / "own")
    arguments = ("--model", f"own_models:{model}", "--data", source, "--channels", channels, "--eps", "4/255")
    found = worst_case(*arguments, "--tumour-classes", "glioma (IV),[red]méningiome,0")
    assert (found["accuracy", "n"] == 10).all()
    assert (found["missed_tumour_rate", "n"] == 6).all()
    images = pd.read_csv("audit-results/images.csv")
    names = ["0", "[red]méningiome", "$x_{1}", "glioma (IV)", "ohne Befund"]
    assert sorted(images["class"].astype(str).unique()) == sorted(names)
    assert run("data", "preview", "--size", SIDE, "--data", source, "--channels", channels).exit_code == 0


def test_an_audit_finds_copies_and_measures_slices(tmp_path: Path) -> None:
    result = run("data", "audit", "--data", folder_of(two_classes(), tmp_path / "own"))
    assert result.exit_code == 0, result.output
    found = pd.read_csv("audit/audit.csv").query("kind == 'exact'")
    assert len(found) == 6  # the training slices stand in the test split too
    measured = next(line for line in result.output.splitlines() if line.strip().startswith(WELL) and "16.0" in line)
    assert measured.split().count("100.0") == 3  # the mean of 110 and 90: of the border, the corners and all


WRONG = {"Tumor Grad II": "did you mean 'Tumor Grad III'?", f"{SICK},{WELL}": "all of Kontrolle, Tumor Grad III"}


@pytest.mark.parametrize(("names", "says"), [*WRONG.items(), (" , ", "no list of names")])
@pytest.mark.parametrize("command", [["audit", "--model", "own_models:Bright"], ["bench", "fgsm"]])
def test_wrong_tumour_classes_are_one_line(command: list[str], names: str, says: str, tmp_path: Path) -> None:
    source = folder_of(two_classes(), tmp_path / "own")
    result = run(*command, "--data", source, "--tumour-classes", names, "--out", "made")
    assert result.exit_code == 2
    assert says in result.output
    assert "Traceback" not in result.output
    assert not Path("made/run.json").exists()


def test_a_test_set_alone_is_enough_where_nothing_is_trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smoothing, "IMAGES", 2)
    folder = folder_of(two_classes(), tmp_path / "own")
    whole = run("audit", "fgsm", "--model", "own_models:Bright", "--data", folder, "--size", SIDE, "--checks", "none")
    assert whole.exit_code == 0, whole.output
    first = pd.read_csv("audit-results/fgsm.csv").query("subset == 'all'")  # every test image is a training image too
    shutil.rmtree(folder / "Training")
    asked = ("--model", "own_models:Bright", "--data", folder, "--size", SIDE, "--checks", "none", "--out", "alone")
    assert run("audit", "--all", *asked).exit_code == 0
    alone = pd.read_csv("alone/fgsm.csv").query("subset == 'all'")
    assert alone.reset_index(drop=True).equals(first.reset_index(drop=True))
    assert not Path("alone/membership.csv").exists()
    for refused in (run("audit", "membership", *asked), run("bench", "fgsm", "--data", folder)):
        assert refused.exit_code == 2
        assert "train" in refused.stderr
