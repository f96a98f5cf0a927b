"""`mri-robust data`: info and audit of an archive with planted faults."""

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from medical_files import picture, zip_of
from PIL import Image
from threadpoolctl import threadpool_info

from mri_robust.cli import main
from mri_robust.data.audit import full
from mri_robust.data.phantom.slices import draw
from mri_robust.report.audit import MOST, telling_pairs


def run(*arguments: object, width: int = 110):
    return CliRunner(env={"COLUMNS": str(width)}).invoke(main, ["data", *map(str, arguments)])


@pytest.fixture
def packed(tmp_path):
    """Nine slices, of a class with a long name too; beside them a leak, a mirrored one, a conflict, a coloured one."""
    slices, names = [draw(3, "train", index, 112)[0] for index in range(9)], ("[bold]a " + "long name " * 4, "notumor")
    places = [f"{'Train' if index < 6 else 'Test'}ing/{names[index % 2]}/{index}.png" for index in range(9)]
    files = {place: picture(pixels) for place, pixels in zip(places, slices, strict=True)}
    files |= {places[6] + "leak.png": files[places[0]], places[6] + ".jpg": picture(np.fliplr(slices[2]), "JPEG")}
    files |= {places[7]: picture(np.dstack([slices[7], slices[7], np.flipud(slices[7])]))}
    files |= {"Training/notumor/conflict.jpg": picture(slices[4], "JPEG"), "Training/notumor/bad.png": b"words"}
    return zip_of(files, tmp_path / "data.zip")


@pytest.mark.parametrize("width", [60, 160])
def test_info_and_audit_tell_what_is_planted_and_fit_the_terminal(packed, tmp_path, width) -> None:
    out = tmp_path / "new" / "audit"
    info = run("info", "--data", packed, "--size", 56, "--skip-unreadable", width=width)
    found = run("audit", "--data", packed, "--out", out, "--skip-unreadable", width=width)
    assert (info.exit_code, found.exit_code) == (0, 0), found.output
    assert max(map(len, info.output.splitlines())) <= width
    assert "1 unreadable" in " ".join(info.output.split())
    assert "[bold]a" in found.output
    listed = pd.read_csv(out / "audit.csv")["kind"].value_counts().to_dict()
    assert listed == {"label conflict": 1, "exact": 1, "near": 2, "colour": 1, "unreadable": 1}
    assert np.asarray(Image.open(out / "audit.png").convert("L")).std() > 10


def test_an_audit_computes_on_the_threads_asked_for(packed, tmp_path, monkeypatch) -> None:
    used, measure = [], full.measure

    def watched(*given):
        used.append(max(pool["num_threads"] for pool in threadpool_info()))
        return measure(*given)

    monkeypatch.setattr(full, "measure", watched)
    for threads in (1, 2):
        run("audit", "--data", packed, "--out", tmp_path / "out", "--skip-unreadable", "--threads", threads)
        assert set(used) == {threads}
        used.clear()


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
