"""`mri-robust snoop`, with a detector made by hand: the brighter an image, the more suspicious."""

import csv
import io
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from torch.nn.functional import avg_pool2d

from mri_robust import save_model
from mri_robust.cli import main
from mri_robust.defences.snooping import Snooper
from mri_robust.models.classifier import build_model

SIDE = 16
LEVELS = {
    "ward/[bold]a[/b]$x_{$.png": 240,
    "ward/a/b/c/deep.png": 200,
    "top.png": 160,
    "ward/dim.png": 100,
    "dark.png": 0,
}
"""File -> grey level, the most suspicious first."""


@pytest.fixture
def detector(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Score 1/2 for grey level 128, more for brighter images, less for darker ones; ReLU stays out of the way."""
    monkeypatch.chdir(tmp_path)
    snooper = Snooper.create(image_size=SIDE, architecture="cnn")
    layers = list(snooper.model.modules())
    convolutions, norms, linear = (
        [layer for layer in layers if isinstance(layer, kind)]
        for kind in (torch.nn.Conv2d, torch.nn.BatchNorm2d, torch.nn.Linear)
    )
    with torch.no_grad():
        for parameter in snooper.model.parameters():
            parameter.zero_()
        for layer, norm in zip(convolutions, norms, strict=True):
            layer.weight[0, 0, 1, 1] = norm.weight[0] = 1
        convolutions[0].bias[0] = 10  # so that what is dark is still positive
        linear[0].weight[0, 0] = linear[1].weight[1, 0] = 1
        middle = snooper.model.network(torch.full((1, 3, SIDE, SIDE), (128 / 255 - 0.485) / 0.229))
        linear[1].bias[1] = -middle[0, 1]
    Snooper(snooper.model, 0.5, {"recall": 0.953, "false_positive_rate": 0.031}).save(tmp_path / "made[/b].safetensors")
    write(tmp_path / "scans", {**{name: png(level) for name, level in LEVELS.items()}, **OTHERS})
    return tmp_path / "made[/b].safetensors"


def png(level: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.full((20, 20), level, np.uint8)).save(buffer, format="PNG")
    return buffer.getvalue()


OTHERS = {"ward/.hidden.png": png(255), ".cache/thumb.png": png(255), "notes.txt": b"words"}


def write(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def snoop(*arguments: object, code: int = 0) -> str:
    result = CliRunner(env={"COLUMNS": "110"}).invoke(main, ["snoop", *map(str, arguments)])
    assert result.exit_code == code, result.output
    return result.output


def rows(folder: str = "snooped") -> list[dict[str, str]]:
    with open(f"{folder}/snoop.csv", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def shown() -> set[int]:
    """Of the files' grey levels those that fill a picture of the sheet."""
    pixels = np.asarray(Image.open("snooped/snoop.png").convert("RGB"))
    return {level for level in LEVELS.values() if (pixels == level).all(-1).sum() > 10_000}


def test_a_folder_is_searched_scored_sorted_listed_and_drawn(detector: Path) -> None:
    output = snoop("--detector", detector, "scans")
    scores = [float(row["score"]) for row in rows()]
    assert [row["file"] for row in rows()] == list(LEVELS)
    images = np.stack([np.full((1, SIDE, SIDE), level, np.uint8) for level in LEVELS.values()])
    np.testing.assert_allclose(scores, Snooper.load(detector).score(images), atol=1e-6)
    assert scores[2] > 0.5 > scores[3]
    assert [row["flagged"] for row in rows()] == ["true"] * 3 + ["false"] * 2
    listed = re.findall(r"(0\.\d{4}|1\.0000)\s+(\S+)", output)
    assert listed == [(f"{score:.4f}", name) for score, name in zip(scores[:3], LEVELS, strict=False)]
    assert "1 hidden, 1 not an image" in output  # hidden folders are not looked into
    assert "3 of 5" in output
    assert "0.95" in output
    assert shown() == {240, 200, 160}


def test_another_threshold_flags_others_and_nothing_flagged_takes_an_old_sheet_away(detector: Path) -> None:
    assert "detector's own is 0.5" in snoop("--detector", detector, "scans", "--threshold", 0)
    assert shown() == set(LEVELS.values())
    Snooper(Snooper.load(detector).model).save(detector)
    assert "not validated" in snoop("--detector", detector, "scans")
    assert "0 of 5" in snoop("--detector", detector, "scans", "--threshold", 1)
    assert [path.name for path in Path("snooped").iterdir()] == ["snoop.csv"]


def test_a_zip_and_a_single_image_are_read_as_a_folder_is_and_its_own_sheet_is_no_scan(detector: Path) -> None:
    with zipfile.ZipFile("scans.zip", "w") as archive:
        for name, level in LEVELS.items():
            archive.writestr(name, png(level))
    snoop("--detector", detector, "scans", "--out", "scans/one")
    snoop("--detector", detector, "scans", "--out", "scans/one")
    snoop("--detector", detector, "scans.zip", "--out", "two")
    assert rows("scans/one") == rows("two")
    snoop("--detector", detector, "scans/top.png", "--out", "three")
    assert rows("three") == [row for row in rows("two") if row["file"] == "top.png"]


def test_long_lists_are_cut_on_the_terminal_and_the_sheet_alone(detector: Path) -> None:
    write(Path("many"), {f"{index:02}.png": png(200) for index in range(50)})
    assert "10 more" in snoop("--detector", detector, "many")
    assert sum(row["flagged"] == "true" for row in rows()) == 50
    pixels = np.asarray(Image.open("snooped/snoop.png").convert("RGB"))
    assert 48 * 112**2 <= (pixels == 200).all(-1).sum() < 49 * 112**2


def test_unreadable_images_stop_it_unless_skipped(detector: Path) -> None:
    write(Path("scans"), {"ward/bad.png": b"no image", "empty.jpg": b""})
    line = snoop("--detector", detector, "scans", code=2)
    assert all(word in line for word in ("empty.jpg", "ward/bad.png", "--skip-unreadable"))
    assert not Path("snooped").exists()
    assert "2 unreadable" in snoop("--detector", detector, "scans", "--skip-unreadable")
    assert [row["file"] for row in rows()] == list(LEVELS)


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("nowhere",), "nowhere"),
        (("x" * 300,), "cannot read"),
        (("empty",), "no images"),
        (("scans/notes.txt",), "not an image"),
        (("broken.zip",), "whole"),
        (("evil.zip",), "out of it"),
        (("bad", "--skip-unreadable"), "cannot be read"),
        *((("scans", "--threshold", value), "threshold") for value in ("1.5", "-0.1", "nan", "high")),
        (("scans", "--detector", "gone.safetensors"), "gone.safetensors"),
        (("scans", "--detector", "classifier.safetensors"), "classifier"),
        (("scans", "--detector", "scans/notes.txt"), "safetensors"),
        (("scans", "--out", "scans/notes.txt/x"), "cannot write"),
        ((), "PATH"),
    ],
)
def test_bad_input_is_one_line_and_nothing_is_written(arguments: tuple[str, ...], word: str, detector: Path) -> None:
    write(Path(), {"broken.zip": b"PK\x03\x04", "bad/only.png": b"x"})
    Path("empty").mkdir()
    with zipfile.ZipFile("evil.zip", "w") as archive:
        archive.writestr("../evil.png", png(3))
    save_model(build_model("cnn", classes=("no", "yes"), image_size=SIDE), Path("classifier.safetensors"))
    before = sorted(Path().rglob("*"))
    output = snoop(*(arguments if "--detector" in arguments else ("--detector", detector, *arguments)), code=2)
    assert output.startswith("Error: ")
    assert output.count("\n") == 1
    assert word in output
    assert sorted(Path().rglob("*")) == before


def test_threads_are_those_asked_for(detector: Path) -> None:
    before = torch.get_num_threads()
    try:
        for threads in (2, 1):
            snoop("--detector", detector, "scans", "--threads", threads)
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)


def test_a_detector_that_judges_places_frames_the_most_suspicious_one(tmp_path: Path, monkeypatch) -> None:
    """The frame is red, 34 pixels wide, and around the only thing to see."""
    monkeypatch.chdir(tmp_path)
    snooper = Snooper.create(image_size=112)
    monkeypatch.setattr(type(snooper.model.network), "places", lambda self, images: avg_pool2d(images[:, :1], 4))
    Snooper(snooper.model, 0.0).save("made.safetensors")
    pixels = np.zeros((112, 112), np.uint8)
    pixels[40:48, 80:88] = 255
    Image.fromarray(pixels).save("scan.png")
    snoop("--detector", "made.safetensors", "scan.png")
    sheet = np.asarray(Image.open("snooped/snoop.png").convert("RGB")).astype(int)
    red = (sheet[..., 0] > 200) & (sheet[..., 1:] < 50).all(-1)
    (top, left), (bottom, right) = (np.argwhere(red).min(0), np.argwhere(red).max(0))
    assert (bottom - top + 1, right - left + 1) == (34, 34)
    white = np.argwhere((sheet[top : bottom + 1, left : right + 1] > 250).all(-1))
    assert len(white) == 64


def test_sizes_that_hide_marks_or_make_them_up_are_said_in_a_line_each(detector: Path) -> None:
    for side, name in ((40, "large.png"), (8, "tiny.png"), (20, "usual.png")):
        Image.fromarray(np.full((side, side), 90, np.uint8)).save(Path("scans") / name)
    said = [line for line in snoop("--detector", detector, "scans").splitlines() if line.startswith("note: ")]
    assert len(said) == 2
    assert "1 of 8 images" in said[0]
    assert "40 pixels" in said[0]
    assert "tiny.png" in said[1]
