"""`mri-robust snoop`, with a detector made by hand: the brighter an image, the more suspicious."""

import csv
import io
import re
import subprocess
import sys
import zipfile

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image

from mri_robust import save_model
from mri_robust.cli import main
from mri_robust.defences.snooping import Snooper
from mri_robust.models.classifier import build_model

SIDE = 16
FACTS = {"recall": 0.953, "false_positive_rate": 0.031, "stamped": 30.0, "clean": 30.0, "asked_recall": 0.95}


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def detector(tmp_path):
    """Score 1/2 for grey level 128, more for brighter images, less for darker ones; ReLU stays out of the way."""
    snooper = Snooper.create(image_size=SIDE, architecture="cnn")
    with torch.no_grad():
        for parameter in snooper.model.parameters():
            parameter.zero_()
        convolutions = [m for m in snooper.model.modules() if isinstance(m, torch.nn.Conv2d)]
        norms = [m for m in snooper.model.modules() if isinstance(m, torch.nn.BatchNorm2d)]
        for layer, norm in zip(convolutions, norms, strict=True):
            layer.weight[0, 0, 1, 1] = norm.weight[0] = 1
        convolutions[0].bias[0] = 10  # so that what is dark is still positive
        first, last = (m for m in snooper.model.modules() if isinstance(m, torch.nn.Linear))
        first.weight[0, 0] = 1
        last.weight[1, 0] = 1
        middle = snooper.model.network(torch.full((1, 3, SIDE, SIDE), (128 / 255 - 0.485) / 0.229))
        last.bias[1] = -middle[0, 1]
    path = tmp_path / "detector.safetensors"
    Snooper(snooper.model, 0.5, FACTS).save(path)
    return path


def png(level, side=20):
    buffer = io.BytesIO()
    Image.fromarray(np.full((side, side), level, np.uint8)).save(buffer, format="PNG")
    return buffer.getvalue()


def write(folder, files):
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


FILES = {
    "ward/a/[bold]b$x_{$.png": png(240),
    "ward/a/b/c/deep.png": png(200),
    "top.png": png(160),
    "ward/dim.png": png(100),
    "ward/dark.png": png(0),
    "ward/.hidden.png": png(255),
    ".cache/thumb.png": png(255),
    "notes.txt": b"words",
}
BY_BRIGHTNESS = ["ward/a/[bold]b$x_{$.png", "ward/a/b/c/deep.png", "top.png", "ward/dim.png", "ward/dark.png"]


def snoop(*arguments, code=0):
    result = CliRunner(env={"COLUMNS": "110"}).invoke(main, ["snoop", *map(str, arguments)])
    assert result.exit_code == code, result.output
    return result.output


def rows(folder="snooped"):
    with open(f"{folder}/snoop.csv", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def levels(path):
    """Grey levels that fill at least a hundred pixels of a picture: the flat images on the sheet."""
    with Image.open(path) as sheet:
        pixels = np.asarray(sheet.convert("RGB")).reshape(-1, 3)
    values, counts = np.unique(pixels, axis=0, return_counts=True)
    return {int(value[0]) for value, count in zip(values, counts, strict=True) if count > 100 and len(set(value)) == 1}


def test_a_folder_is_searched_scored_and_sorted(detector, tmp_path):
    output = snoop("--detector", detector, write(tmp_path / "scans", FILES))
    table = rows()
    assert [row["file"] for row in table] == BY_BRIGHTNESS
    scores = [float(row["score"]) for row in table]
    assert scores == sorted(scores, reverse=True)
    assert scores[2] > 0.5 > scores[3]
    assert [row["flagged"] for row in table] == ["true"] * 3 + ["false"] * 2
    listed = re.findall(r"(0\.\d{4}|1\.0000)\s+(\S+)", output)
    assert listed == [(f"{score:.4f}", name) for score, name in zip(scores[:3], BY_BRIGHTNESS[:3], strict=True)]
    assert "skipped: 1 hidden, 1 not an image" in output  # hidden folders are not looked into
    last = "3 of 5 images flagged at threshold 0.5 (validation: recall 0.95, false-positive rate 0.03)"
    assert output.strip().splitlines()[-1] == last


def test_the_sheet_shows_what_is_flagged_and_nothing_else(detector, tmp_path):
    snoop("--detector", detector, write(tmp_path / "scans", FILES))
    assert {240, 200, 160} <= levels("snooped/snoop.png")
    assert 100 not in levels("snooped/snoop.png")
    snoop("--detector", detector, tmp_path / "scans", "--threshold", 0.0)
    assert {240, 200, 160, 100} <= levels("snooped/snoop.png")


def test_a_zip_and_a_single_image_are_read_as_a_folder_is(detector, tmp_path):
    folder = write(tmp_path / "scans", FILES)
    with zipfile.ZipFile(tmp_path / "scans.zip", "w") as archive:
        for name, content in FILES.items():
            archive.writestr(name, content)
    snoop("--detector", detector, folder, "--out", "one")
    snoop("--detector", detector, "scans.zip", "--out", "two")
    assert rows("one") == rows("two")
    snoop("--detector", detector, folder / "top.png", "--out", "three")
    assert [row["file"] for row in rows("three")] == ["top.png"]
    assert rows("three")[0]["score"] == rows("one")[2]["score"]


def test_scores_are_those_of_the_library(detector, tmp_path):
    snoop("--detector", detector, write(tmp_path / "scans", FILES))
    expected = Snooper.load(detector).score(
        np.stack([np.full((1, SIDE, SIDE), level, np.uint8) for level in (240, 200, 160, 100, 0)])
    )
    np.testing.assert_allclose([float(row["score"]) for row in rows()], expected, atol=1e-6)


def test_another_threshold_says_that_it_is_not_the_validated_one(detector, tmp_path):
    output = snoop("--detector", detector, write(tmp_path / "scans", FILES), "--threshold", 0.25)
    assert re.search(r"\d of 5 images flagged at threshold 0.25 \(the detector's own is 0.5\)", output)
    flagged = [float(row["score"]) >= 0.25 for row in rows()]
    assert [row["flagged"] == "true" for row in rows()] == flagged


def test_a_detector_without_validation_says_so(detector, tmp_path):
    Snooper(Snooper.load(detector).model).save(detector)
    assert "(not validated)" in snoop("--detector", detector, write(tmp_path / "scans", FILES))


def test_nothing_flagged_is_no_sheet_and_takes_an_old_one_away(detector, tmp_path):
    folder = write(tmp_path / "scans", FILES)
    snoop("--detector", detector, folder)
    assert (tmp_path / "snooped/snoop.png").exists()
    output = snoop("--detector", detector, folder, "--threshold", 1)
    assert "no sheet, nothing is flagged" in output
    assert "0 of 5 images flagged" in output
    assert [path.name for path in (tmp_path / "snooped").iterdir()] == ["snoop.csv"]


def test_its_own_sheet_is_no_scan(detector, tmp_path):
    write(tmp_path, {"scan.png": png(200)})
    snoop("--detector", detector, ".")
    snoop("--detector", detector, ".")
    assert [row["file"] for row in rows()] == ["scan.png"]


def test_a_long_list_is_cut_on_the_terminal_only(detector, tmp_path):
    output = snoop("--detector", detector, write(tmp_path / "s", {f"{index:02}.png": png(200) for index in range(45)}))
    assert "and 5 more in snoop.csv" in output
    assert sum(row["flagged"] == "true" for row in rows()) == 45


def test_unreadable_images_stop_it_unless_skipped(detector, tmp_path):
    files = {**FILES, "ward/bad.png": b"no image", "empty.jpg": b""}
    folder = write(tmp_path / "scans", files)
    before = sorted(tmp_path.iterdir())
    line = refused("--detector", detector, folder)
    assert "2 images in" in line
    assert "empty.jpg (empty file), ward/bad.png (not an image)" in line
    assert "--skip-unreadable" in line
    assert sorted(tmp_path.iterdir()) == before
    output = snoop("--detector", detector, folder, "--skip-unreadable")
    assert [row["file"] for row in rows()] == BY_BRIGHTNESS
    assert "2 unreadable" in output


def refused(*arguments):
    lines = snoop(*arguments, code=2).strip().splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith("Error: ")
    return lines[0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nowhere",), "'nowhere' does not exist"),
        (("x" * 300,), "cannot read"),
        (("empty",), "holds no images"),
        (("scans/notes.txt",), "notes.txt (not an image)"),
        (("broken.zip",), "is not a whole .zip file"),
        (("evil.zip",), "points out of it"),
        (("scans/bad", "--skip-unreadable"), "1 image in 'scans/bad' cannot be read"),
        (("scans", "--threshold", "1.5"), "--threshold must be from 0 to 1, got 1.5"),
        (("scans", "--threshold", "-0.1"), "--threshold must be from 0 to 1"),
        (("scans", "--threshold", "nan"), "--threshold must be from 0 to 1"),
        (("scans", "--threshold", "high"), "'high' is not a valid float"),
        (("scans", "--detector", "gone.safetensors"), "'gone.safetensors' does not exist"),
        (("scans", "--detector", "classifier.safetensors"), "is a classifier, not a snooping detector"),
        (("scans", "--detector", "scans/notes.txt"), "is damaged or no safetensors file"),
        (("scans", "--out", "scans/notes.txt/x"), "cannot write to folder"),
        ((), "Missing argument 'PATH'"),
    ],
)
def test_bad_input_is_one_line_and_nothing_is_written(arguments, message, detector, tmp_path):
    write(tmp_path / "scans", {"top.png": png(9), "notes.txt": b"words"})
    write(tmp_path, {"broken.zip": b"PK\x03\x04", "scans/bad/only.png": b"x" if "scans/bad" in arguments else png(1)})
    (tmp_path / "empty").mkdir()
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as archive:
        archive.writestr("../evil.png", png(3))
    save_model(build_model("cnn", classes=("no", "yes"), image_size=SIDE), tmp_path / "classifier.safetensors")
    before = sorted(tmp_path.rglob("*"))
    given = arguments if "--detector" in arguments else ("--detector", detector, *arguments)
    assert message in refused(*given)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_detector_is_required(tmp_path):
    assert "Missing option '--detector'" in refused(tmp_path)


@pytest.mark.skipif(torch.cuda.is_available(), reason="a CUDA device is here")
def test_cuda_without_cuda(detector, tmp_path):
    assert "--device cpu" in refused("--detector", detector, tmp_path, "--device", "cuda")


def test_help_loads_nothing_heavy():
    code = (
        "import sys\nfrom click.testing import CliRunner\nfrom mri_robust.cli import main\n"
        "assert CliRunner().invoke(main, ['snoop', '--help']).exit_code == 0\n"
        "print(*({'numpy', 'PIL', 'rich', 'matplotlib', 'torch'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.strip() == ""
