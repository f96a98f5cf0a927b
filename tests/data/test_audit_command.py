"""`mri-robust data audit`: its tables, its CSV file, its sheet of pairs."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result
from PIL import Image
from rich.console import Console

from mri_robust.cli import main
from mri_robust.data.audit.full import COLUMNS, audit, file_facts
from mri_robust.data.dataset import load_dataset
from mri_robust.data.phantom import draw
from mri_robust.report.audit_tables import print_audit
from mri_robust.report.pairs import MOST, telling_pairs

Maker = Callable[..., Path]
Files = dict[str, bytes]


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["data", "audit", *map(str, arguments)])


def encoded(pixels: np.ndarray, kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, format=kind)
    return buffer.getvalue()


@pytest.fixture
def planted() -> Files:
    """Nine slices, and beside them an exact leak, a mirrored one, a conflict, an image with a red dot."""
    slices = [draw(3, "train", index, 112)[0] for index in range(9)]
    files = {}
    for index, pixels in enumerate(slices):
        split = "Testing" if index > 5 else "Training"
        files[f"{split}/{('glioma', 'notumor')[index % 2]}/{index}.png"] = encoded(pixels)
    files["Testing/glioma/leak.png"] = files["Training/glioma/0.png"]
    files["Testing/glioma/mirrored.jpg"] = encoded(np.fliplr(slices[2]), "JPEG")
    files["Training/notumor/conflict.jpg"] = encoded(slices[4], "JPEG")
    red = np.repeat(slices[7][..., None], 3, axis=2)
    red[50:60, 50:60] = (255, 0, 0)
    files["Testing/notumor/7.png"] = encoded(red)
    return files


def test_planted_faults_are_told_listed_and_drawn(make_zip: Maker, planted: Files, tmp_path: Path) -> None:
    out = tmp_path / "new" / "audit"
    result = run("--data", make_zip(planted), "--out", out)
    assert result.exit_code == 0, result.output
    told = " ".join(result.output.split())
    assert "2 of 5 test images (40.0%) show a picture that is also in training: 1 pixel for pixel, 0 nearly" in told
    assert "1 mirrored or upside down" in told
    assert "Training/glioma/4.png = Training/notumor/conflict.jpg" in told
    assert "colour 1 notumor" in told
    listed = pd.read_csv(out / "audit.csv", keep_default_na=False)
    assert tuple(listed.columns) == COLUMNS
    near = listed["kind"] == "near"
    assert listed[~near][["kind", "file", "other_file", "flip"]].to_numpy().tolist() == [
        ["label conflict", "Training/glioma/4.png", "Training/notumor/conflict.jpg", ""],
        ["exact", "Training/glioma/0.png", "Testing/glioma/leak.png", ""],
        ["colour", "Testing/notumor/7.png", "", ""],
    ]
    assert listed[near].sort_values("file")[["split", "other_split", "other_file", "flip"]].to_numpy().tolist() == [
        ["train", "test", "Testing/glioma/mirrored.jpg", "left-right"],
        ["train", "train", "Training/notumor/conflict.jpg", ""],
    ]
    with Image.open(out / "audit.png") as page:
        assert page.format == "PNG"
        assert np.asarray(page.convert("L")).std() > 10
    assert sorted(path.name for path in out.iterdir()) == ["audit.csv", "audit.png"]


@pytest.mark.parametrize("width", [60, 100, 160])
def test_the_tables_fit_the_terminal(make_folder: Maker, planted: Files, width: int) -> None:
    files = {name.replace("glioma", "[bold]a long class name of [red] many words"): planted[name] for name in planted}
    folder = make_folder(files)
    found = audit(load_dataset(folder, size=56, channels="rgb"), files=file_facts(folder))
    console = Console(width=width, file=io.StringIO())
    print_audit(found, console)
    told = console.file.getvalue()  # type: ignore[attr-defined]
    assert max(map(len, told.splitlines())) <= width
    if width >= 100:
        classes, _, means = told.partition("Images of the same picture")
        assert "[bold]a long class name of [red] many words" in classes
        assert "[bold]a" in means
        assert "…" not in told


def test_unreadable_files_are_one_line_or_counted_and_listed(make_zip: Maker, planted: Files, tmp_path: Path) -> None:
    packed = make_zip(planted | {"Training/glioma/bad.png": b"words"})
    refused = run("--data", packed, "--out", tmp_path / "out")
    assert refused.exit_code == 2
    assert refused.output.startswith("Error: 1 image file")
    assert refused.output.count("\n") == 1
    assert not (tmp_path / "out").exists()
    result = run("--data", packed, "--out", tmp_path / "out", "--skip-unreadable")
    assert "skipped 1 unreadable" in " ".join(result.output.split())
    listed = pd.read_csv(tmp_path / "out" / "audit.csv")
    assert listed[listed["kind"] == "unreadable"]["file"].tolist() == ["Training/glioma/bad.png"]


def test_without_near_pairs_an_old_sheet_goes(make_folder: Maker, planted: Files, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "audit.png").write_bytes(b"of an earlier run")
    clean = {name: planted[name] for name in planted if name.split("/")[-1][0].isdigit()}
    result = run("--data", make_folder(clean), "--out", out)
    assert "no sheet" in result.output
    assert "no picture stands in two classes" in result.output
    assert [path.name for path in out.iterdir()] == ["audit.csv"]


@pytest.mark.parametrize("arguments", [("--out", "/dev/null/audit"), ("--data", "nowhere"), ("--size", "8")])
def test_bad_values_are_refused_in_one_line(make_folder: Maker, planted: Files, arguments: tuple[str, ...]) -> None:
    source = () if "--data" in arguments else ("--data", make_folder(planted))
    result = run(*arguments, *source)
    assert result.exit_code == 2
    assert result.output.startswith("Error: ")
    assert result.output.count("\n") == 1


def test_the_sheet_shows_conflicts_then_one_pair_a_group_leaks_before_repeats() -> None:
    rows = [("label conflict", "train", "train", "a", "b", 0.001), ("near", "train", "train", "a", "b", 0.001)]
    rows += [("near", "train", "test", f"leak {i}", f"t{i}", i / 1000) for i in range(1, 5)]
    rows += [("near", "train", "train", f"repeat {i}", f"r{i}", 0.001 if i < 38 else i / 1000) for i in range(1, 40)]
    rows += [("near", "train", "test", "leak 1", "nearer", 0.0001)]
    findings = pd.DataFrame(rows, columns=["kind", "split", "other_split", "file", "other_file", "distance"])
    findings = findings.assign(**{"class": "x", "other_class": np.where(findings["file"] == "a", "y", "x")})
    group = pd.Series({name: place for place, name in enumerate(findings["file"].unique())})
    chosen = telling_pairs(findings, group)
    assert len(chosen) == MOST
    assert chosen["kind"].tolist() == ["label conflict"] + ["near"] * (MOST - 1)
    assert chosen["file"].is_unique
    assert {f"leak {i}" for i in range(1, 5)} <= set(chosen["file"])
    assert {"t1", "r39"} <= set(chosen["other_file"])
    assert chosen["distance"].iloc[1:].is_monotonic_increasing
