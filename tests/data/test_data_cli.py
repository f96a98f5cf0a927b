"""`mri-robust data info` and `preview`."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from mri_robust.cli.data import data
from mri_robust.core.errors import UserError

Maker = Callable[..., Path]
Files = dict[str, bytes]


def run(*arguments: object, width: int = 80) -> Result:
    return CliRunner(env={"COLUMNS": str(width)}).invoke(data, [str(argument) for argument in arguments])


def test_info_prints_counts_statistics_and_faults(make_zip: Maker, sound: Files) -> None:
    files = sound | {"Testing/notumor/twin.png": sound["Training/glioma/0.png"], "notes.txt": b"words"}
    result = run("info", "--data", make_zip(files), "--size", 16)
    assert result.exit_code == 0, result.output
    lines = [line.split() for line in result.output.splitlines()]
    assert ["glioma", "3", "2", "5"] in lines
    assert ["notumor", "3", "3", "6"] in lines
    assert ["all", "6", "5", "11"] in lines
    assert ["skipped", "1", "not", "an", "image"] in lines
    assert ["repeated", "0", "in", "train,", "0", "in", "test"] in lines
    assert "1 of 5 test images (20.0%)" in result.output
    assert "16 x 16 pixels, grey" in result.output


@pytest.mark.parametrize("width", [30, 200])
def test_info_fits_the_terminal(make_zip: Maker, sound: Files, width: int) -> None:
    files = {name.replace("glioma", "[bold]a very long class name of [/] many words"): sound[name] for name in sound}
    result = run("info", "--data", make_zip(files), "--size", 8, "--channels", "rgb", width=width)
    assert result.exit_code == 0, result.output
    assert max(map(len, result.output.splitlines())) <= width
    assert "[bold]a very long class name" in result.output or width == 30


def test_info_skips_unreadable_files_only_when_asked(make_zip: Maker, sound: Files) -> None:
    packed = make_zip(sound | {"Training/glioma/bad.png": b""})
    assert isinstance(run("info", "--data", packed).exception, UserError)
    assert "1 unreadable" in run("info", "--data", packed, "--skip-unreadable").output


def test_preview_writes_a_png(make_folder: Maker, sound: Files, tmp_path: Path) -> None:
    out = tmp_path / "new" / "sheet.png"
    result = run("preview", "--data", make_folder(sound), "--size", 16, "--out", out, "--images", 4, "--split", "test")
    assert result.exit_code == 0, result.output
    assert result.output == f"wrote {out}\n"
    with Image.open(out) as page:
        assert page.format == "PNG"
        assert np.asarray(page).std() > 10
    assert [path.name for path in out.parent.iterdir()] == ["sheet.png"]
    again = out.with_name("again.png")
    run("preview", "--data", tmp_path / "brains", "--size", 16, "--out", again, "--images", 4, "--split", "test")
    assert again.read_bytes() == out.read_bytes()


@pytest.mark.parametrize(
    "arguments",
    [
        ("preview", "--images", "-3"),
        ("preview", "--images", "0"),
        ("preview", "--images", "many"),
        ("preview", "--size", "7"),
        ("preview", "--seed", "-1"),
        ("preview", "--split", "validation"),
        ("preview", "--out", "sheet.jpg"),
        ("preview", "--out", "/"),
        ("preview", "--out", "/dev/null/sheet.png"),
        ("preview", "--out", f"{'x' * 300}.png"),
        ("info", "--size", "2000"),
        ("info", "--channels", "cmyk"),
        ("info", "--data", "nowhere"),
    ],
)
def test_bad_values_are_refused(make_folder: Maker, sound: Files, arguments: tuple[str, ...]) -> None:
    source = () if "--data" in arguments else ("--data", make_folder(sound))
    result = run(*arguments, *source)
    assert isinstance(result.exception, UserError) or result.exit_code == 2, result.output


def test_every_command_and_option_has_help() -> None:
    assert data.help
    for command in data.commands.values():
        assert command.help
        assert all(option.help for option in command.params if isinstance(option, click.Option))


def test_importing_the_command_is_light() -> None:
    code = (
        "import sys, mri_robust.cli.data; print(*({'numpy', 'PIL', 'rich', 'matplotlib', 'torch'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.strip() == ""
