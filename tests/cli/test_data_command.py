"""`mri-robust data`: info and audit of an archive with planted faults."""

from __future__ import annotations

import io
import zipfile

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from PIL import Image

from mri_robust.cli import main
from mri_robust.data.phantom import draw


def run(*arguments: object, width: int = 110):
    return CliRunner(env={"COLUMNS": str(width)}).invoke(main, ["data", *map(str, arguments)])


def encoded(pixels: np.ndarray, kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format=kind)
    return buffer.getvalue()


@pytest.fixture
def packed(tmp_path):
    """Nine slices, of a class with a long name too; beside them a leak, a mirrored one, a conflict, a coloured one."""
    slices, names = [draw(3, "train", index, 112)[0] for index in range(9)], ("[bold]a " + "long name " * 4, "notumor")
    places = [f"{'Train' if index < 6 else 'Test'}ing/{names[index % 2]}/{index}.png" for index in range(9)]
    files = {place: encoded(pixels) for place, pixels in zip(places, slices, strict=True)}
    files |= {
        places[6] + "leak.png": files[places[0]],
        places[6] + ".jpg": encoded(np.fliplr(slices[2]).copy(), "JPEG"),
    }
    files |= {places[7]: encoded(np.dstack([slices[7], slices[7], np.flipud(slices[7])]))}
    files |= {"Training/notumor/conflict.jpg": encoded(slices[4], "JPEG"), "Training/notumor/bad.png": b"words"}
    with zipfile.ZipFile(tmp_path / "data.zip", "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return tmp_path / "data.zip"


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
