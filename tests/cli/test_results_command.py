"""`mri-robust results`, on folders that the bench's own writers made."""

import fcntl
import json
import random
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file

from mri_robust.bench.store import Store
from mri_robust.bench.tables import csv_text, tidy_table
from mri_robust.cli import main
from mri_robust.models.training_state import keep_training
from mri_robust.study.cell import Cell
from mri_robust.study.recipe import Recipe

CLEAN, FGSM, OLD, FAILED = "a1" * 8, "a2" * 8, "b3" * 8, "c4" * 8
MODEL = f"cnn_clean-{'d5' * 8}"
EVIL = "\x1b[31m[bold]<b>\nevil"
RECIPE = Recipe("cnn_clean", "cnn", image_size=56, channels="grey", seed=42, epochs=8)


def rates(accuracy):
    rate = {
        "subset": "all",
        "class": "",
        "metric": "accuracy",
        "value": accuracy,
        "ci_low": 0.25,
        "ci_high": 0.75,
        "n": 16,
    }
    return [rate, {**rate, "class": "glioma", "metric": "recall", "value": accuracy / 2}]


def words(**more):
    return {"experiment": "fgsm", "protocol": "sound", "seed": 42, "model": "cnn_clean", "scale": "quick", **more}


def fill(folder, accuracy=0.8, threads=1):
    """A finished run of two cells, an older cell, a failure, a whole model and one whose training was interrupted."""
    store, measured = Store(folder / "cells"), []
    for name, drop in ((CLEAN, 0.0), (FGSM, 0.25)):
        lines = [
            {"attack": "none", "epsilon": 0.0, "condition": "", "paper": {}},
            {"attack": "fgsm", "epsilon": 4 / 255, "condition": "worst-case", "paper": {}},
        ]
        cell = Cell("evasion", RECIPE, "d0", {}, words=words(label=f"drop {drop:g}"), lines=tuple(lines))
        result = {"rows": [rates(accuracy - drop), rates(accuracy / 2 - drop)], "curves": [1, 2]}
        store.put(name, result, {**cell.words, "model_file": MODEL, "seconds": 1.25})
        measured.append((cell, result))
    store.put(OLD, {"rows": []}, words(experiment="pgd", seconds=2.0))
    store.put_failure(FAILED, f"RuntimeError: {EVIL}", "Traceback:\n  the line", words(label=EVIL))
    notes = {"recipe": {"model": "cnn_clean", "epochs": 8}, "data_digest": "d0", "environment": {"threads": threads}}
    notes["history"] = [{"epoch": 1, "loss": 0.75, "accuracy": 0.5, "seconds": 2.0, "overfitted": False}]
    record = [{"epoch": 1, "seconds": 2.5}, {"epoch": 2, "seconds": 1.5}]
    keep_training(folder / "models" / f"{MODEL}.partial.safetensors", {"model": torch.nn.Linear(2, 2)}, record)
    header = {"mri_robust": json.dumps(notes)}
    save_file({"w": np.zeros(3, np.float32)}, folder / "models" / f"{MODEL}.safetensors", header)
    (folder / "fgsm.csv").write_text(csv_text(tidy_table(measured)))
    run = {"command": "mri-robust bench fgsm", "experiments": ["fgsm"], "cells": {"fgsm": [CLEAN, FGSM]}}
    run |= {"protocols": ["sound"], "data": {"grey": {"digest": "d0"}}, "machine": {"threads": threads}}
    (folder / "run.json").write_text(json.dumps(run))
    return folder


@pytest.fixture
def folder(tmp_path):
    return fill(tmp_path / "out")


def results(*arguments, code=0, **more):
    result = CliRunner().invoke(main, ["results", *map(str, arguments)], **more)
    assert result.exit_code == code, result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.output


def refused(*arguments, **more):
    lines = results(*arguments, code=2, **more).strip().splitlines()
    assert lines[-1].startswith("Error: ")
    return lines[-1]


def tree(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def line_of(output, *parts):
    found = [line for line in output.splitlines() if all(part in line for part in parts)]
    assert len(found) == 1, (parts, output)
    return found[0]


def test_list_shows_cells_models_and_totals(folder):
    output = results("list", folder)
    size = [str((folder / "cells" / f"{FGSM}.json").stat().st_size), "bytes"]
    assert line_of(output, FGSM[:8]).split()[1:] == ["cnn_clean", "drop", "0.25", "ok", "1.2", "4", *size, "yes"]
    assert line_of(output, OLD[:8]).split()[-1] == "no"
    assert "failed" in line_of(output, FAILED[:8])
    assert "fgsm sound" in output
    assert re.search(rf"{MODEL} +whole +1 +2\.0 ", output)
    assert re.search(rf"{MODEL} +partial +2 so far +4\.0 ", output)
    assert "4: 3 ok, 1 failed" in line_of(output, " cells")
    assert "2 used by the last run" in line_of(output, " cells")
    assert "mri-robust bench fgsm" in line_of(output, " last run  mri")
    assert "with --unused 1 more" in line_of(output, "to clean")


def test_list_for_machines(folder):
    (folder / "cells" / f"{FGSM}.json").write_text("{")
    listed = json.loads(results("list", folder, "--json"))
    cells = {cell["digest"]: cell for cell in listed["cells"]}
    assert {name: cell["state"] for name, cell in cells.items()} == {
        **{CLEAN: "ok", FGSM: "damaged", OLD: "ok", FAILED: "failed"}
    }
    assert (cells[CLEAN]["numbers"], cells[CLEAN]["used"], cells[OLD]["used"]) == (4, True, False)
    assert [(model["state"], model["epochs"]) for model in listed["models"]] == [("partial", 2), ("whole", 1)]
    assert listed["missing"] == [FGSM]
    assert {each["reason"] for each in listed["removable"]} == {"failure", "partial training", "damaged"}


@pytest.mark.parametrize("columns", [80, 140])
def test_no_line_is_wider_than_the_terminal(columns, folder, monkeypatch):
    from rich.console import Console

    monkeypatch.setattr("mri_robust.cli.progress.make_console", lambda: Console(soft_wrap=True, width=columns))
    for arguments in (["list", folder], ["show", folder, CLEAN], ["show", folder, MODEL]):
        widths = [len(line) for line in results(*arguments).splitlines() if str(folder) not in line]
        assert max(widths) <= columns, arguments


def test_show_a_cell_with_the_words_of_its_numbers(folder):
    output = results("show", folder, "a2")
    assert f"cell {FGSM}  ok" in output
    assert "drop 0.25" in line_of(output, "label")
    assert line_of(output, " used by  ").split() == ["used", "by", "fgsm"]
    assert "curves (2)" in output
    assert "threads 1" in output
    assert (
        output.index("clean")
        < output.index("0.5500")
        < output.index("fgsm 4/255 · worst-case")
        < output.index("0.1500")
    )
    assert line_of(output, "glioma", "0.2750").split() == ["glioma", "recall", "0.2750", "0.250", "–", "0.750", "16"]


def test_a_cell_whose_table_has_other_numbers_is_shown_without_its_words(folder):
    path = folder / "fgsm.csv"
    path.write_text(path.read_text().replace("0.15", "0.16"))
    output = results("show", folder, FGSM)
    assert "line 1" in output
    assert "4/255" not in output


def test_show_a_failure_and_a_model(folder):
    output = results("show", folder, FAILED[:6])
    assert "RuntimeError" in output
    assert "the line" in output
    output = results("show", folder, "cnn_clean")
    assert output.count(f"model {MODEL}") == 2
    assert "1 epoch in 2.0 s" in output
    assert "2 epochs so far in 4.0 s" in output
    assert ["1", "0.7500", "0.5000", "no", "2.0000"] in [line.split() for line in output.splitlines()]


def test_show_says_what_it_could_be(folder):
    assert f"'a' begins several: {CLEAN}, {FGSM}; give more of it" in refused("show", folder, "a")
    assert "nothing in" in refused("show", folder, "eee")
    assert "begins several" in refused("show", folder, "")


def test_what_a_terminal_would_obey_is_not_printed(folder):
    for arguments in (["list", folder], ["show", folder, FAILED]):
        output = results(*arguments)
        assert "\x1b" not in output
        assert "?[31m[bold]<b>?evil" in output


def test_clean_asks_and_says_what_it_freed(folder):
    before = tree(folder)
    gone = {f"cells/{FAILED}.failed.json", f"models/{MODEL}.partial.safetensors"}
    size = sum(len(before[name]) for name in gone)
    for answer in ("n\n", "\n"):
        assert "nothing was deleted" in results("clean", folder, input=answer)
    assert "give --yes" in refused("clean", folder, input="")
    assert tree(folder) == before
    assert f"freed {size} bytes in 2 files" in results("clean", folder, input="y\n")
    assert tree(folder) == {name: content for name, content in before.items() if name not in gone}
    assert results("clean", folder) == "nothing to clean\n"
    assert "in 1 file\n" in results("clean", folder, "--unused", "--yes")
    assert set(before) - set(tree(folder)) == gone | {f"cells/{OLD}.json"}


def test_clean_lists_the_files_and_a_dry_run_leaves_them(folder):
    before = tree(folder)
    output = results("clean", folder, "--dry-run", "--unused")
    assert "failure" in line_of(output, f"cells/{FAILED}.failed.json")
    assert "unused result" in line_of(output, f"cells/{OLD}.json")
    assert "3 files" in output
    assert "Delete" not in output
    assert tree(folder) == before


def test_clean_leaves_what_a_running_bench_holds(folder):
    lock = folder / "models" / f"{MODEL}.lock"
    lock.touch()
    before = tree(folder)
    with lock.open() as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        message = refused("clean", folder, "--yes")
        assert "a bench is at work" in message
        assert f"models/{MODEL}.lock" in message
        assert tree(folder) == before
    results("clean", folder, "--yes")


def test_diff_of_a_run_with_itself_and_with_another(folder, tmp_path):
    output = results("diff", folder, folder)
    assert output.rstrip().endswith("all 8 numbers are equal")
    other = fill(tmp_path / "other", accuracy=0.75, threads=2)
    output = results("diff", folder, other, code=1)
    assert "0 numbers are equal, 8 differ" in output
    assert line_of(output, "machine threads").split()[-2:] == ["1", "2"]
    table = output[output.index("All differences") :]
    assert re.findall(r"-0\.\d+", table) == ["-0.05"] * 2 + ["-0.025"] * 4 + ["-0.013"] * 2
    assert line_of(table, "fgsm 4/255", "glioma recall", "0.075").split()[-3:] == ["0.075", "0.0625", "-0.013"]
    assert "The 3 largest of 8 differences" in results("diff", folder, other, "--top", "3", code=1)
    assert "number " not in results("diff", folder, other, "--top", "0", code=1)
    assert "all 8 numbers are equal" in results("diff", folder, other, "--tolerance", "0.0501")
    found = json.loads(results("diff", folder, other, "--json", code=1))
    assert [round(each["difference"], 4) for each in found["numbers"][:3]] == [-0.05, -0.05, -0.025]
    assert found["facts"] == [{"fact": "machine threads", "a": "1", "b": "2"}]


def test_diff_across_scales(folder, tmp_path):
    other = shutil.copytree(folder, tmp_path / "other")
    (other / "fgsm.csv").write_text((other / "fgsm.csv").read_text().replace("quick", "small"))
    output = results("diff", folder, other, code=1)
    assert "none is in both, for the runs differ in scale (see --ignore)" in " ".join(output.split())
    assert "all 8 numbers are equal" in results("diff", folder, other, "--ignore", "scale")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["list", "nowhere"], "holds no results"),
        (["list", "/dev/null"], "holds no results"),
        (["list", "x" * 5000], "holds no results"),
        (["show", "nowhere", "a"], "holds no results"),
        (["clean", "nowhere", "--yes"], "holds no results"),
        (["diff", "nowhere", "nowhere"], "holds no results to compare"),
        (["diff", "out", "nowhere"], "holds no results to compare"),
        (["diff", "out", "out", "--tolerance", "-1"], "--tolerance must be"),
        (["diff", "out", "out", "--tolerance", "nan"], "--tolerance must be"),
        (["diff", "out", "out", "--top", "-1"], "-1 is not in the range"),
        (["diff", "out", "out", "--ignore", "colour"], "cannot ignore 'colour'"),
        (["lst"], "No such command 'lst'"),
        (["list"], "Missing argument 'DIR'"),
    ],
)
def test_bad_input_is_one_line(arguments, message, folder, monkeypatch):
    monkeypatch.chdir(folder.parent)
    assert message in refused(*arguments)


@settings(max_examples=40)
@given(st.integers(0, 2**32))
def test_whatever_the_files_hold_there_is_no_traceback(tmp_path_factory, seed):
    """One file of a good folder is changed at random: cut, overwritten in places, or of another type."""
    draw = random.Random(seed)
    good = fill(tmp_path_factory.mktemp("good") / "out")
    bad = shutil.copytree(good, good.parent / "bad")
    file = draw.choice(sorted(path for path in bad.rglob("*") if path.is_file()))
    content = bytearray(file.read_bytes())
    for _ in range(draw.randint(1, 8)):
        content[draw.randrange(len(content))] = draw.choice(b'\0\xff{}[]",:019eE-n')
    keys = re.findall(rb'"(\w+)\\?":', file.read_bytes())
    odd = draw.choice([b"null", b"[]", b"{}", b"3", b"[[1]]", b'{"a":[{}]}', b"1e400", b"-1", b"true"])
    if keys and draw.random() < 0.5:
        content = re.sub(rb'("%s\\?":).' % draw.choice(keys), rb"\g<1>" + odd + b',"x":', file.read_bytes(), count=1)
    file.write_bytes(content[: draw.randint(0, len(content))] if draw.random() < 0.2 else content)
    for arguments in (
        ["list"],
        ["list", "--json"],
        ["clean", "--dry-run"],
        *(["show", name] for name in (CLEAN, FAILED, MODEL)),
    ):
        result = CliRunner().invoke(main, ["results", arguments[0], str(bad), *arguments[1:]])
        assert result.exit_code in (0, 2), (file, content, result.exception)
    assert CliRunner().invoke(main, ["results", "diff", str(good), str(bad)]).exit_code in (0, 1)


def test_all_of_it_works_without_torch(folder):
    code = (
        "import sys\nfrom click.testing import CliRunner\nfrom mri_robust.cli import main\n"
        "def run(*words):\n    return CliRunner().invoke(main, ['results', *words]).exit_code\n"
        "folder, model = sys.argv[1:]\n"
        "assert run('--help') == run('list', '--help') == 0\n"
        "assert not {'pandas', 'numpy', 'rich', 'torch'} & set(sys.modules)\n"
        "assert run('list', folder) == run('clean', folder, '--dry-run') == run('show', folder, model) == 0\n"
        "assert run('list', folder, '--json') == run('diff', folder, folder) == 0\n"
        "print(*({'torch', 'torchvision', 'art', 'torchattacks'} & set(sys.modules)))"
    )
    made = subprocess.run([sys.executable, "-c", code, folder, MODEL], check=True, capture_output=True, text=True)
    assert made.stdout.strip() == ""
