"""`mri-robust results` from the outside: exit codes, what it prints for machines, and what it deletes."""

import json
import subprocess
import sys

import pandas as pd
import pytest
from click.testing import CliRunner

from mri_robust.cli import main
from mri_robust.study.results_folder import ResultsFolder

EVIL = "\x1b[31m[bold]<b>\nevil"
DESCRIBED = {"name": "fgsm", "row_key": ["attack"], "columns": "model", "models": []}


def fill(path, value=0.5):
    """A finished run of one number, a failure and a damaged result."""
    folder = ResultsFolder(path)
    line = {"experiment": "fgsm", "model": "cnn", "attack": "none", "metric": "accuracy", "value": value, "n": 8}
    folder.write_table("fgsm", pd.DataFrame([line]))
    folder.put("a" * 16, {"rows": [line], "artefacts": {}}, {"experiment": "fgsm", "model": "cnn"})
    folder.put_failure("b" * 16, EVIL, "Traceback", {"experiment": EVIL})
    (folder.evaluations / f"{'c' * 16}.json").write_text("{")
    run = {"experiments": [DESCRIBED], "evaluations": [{"digest": "a" * 16}], "data": {"grey": {"digest": "d0"}}}
    folder.write_json("run", run)
    return path


@pytest.fixture
def folder(tmp_path):
    return fill(tmp_path / "out")


def results(*arguments, code=0, **more):
    result = CliRunner().invoke(main, ["results", *map(str, arguments)], **more)
    assert result.exit_code == code, result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.output


def names(folder):
    return {path.name for path in folder.rglob("*") if path.is_file()}


def test_list_for_machines_and_for_people(folder):
    listed = {each["file"].split("/")[-1]: each["state"] for each in json.loads(results("list", folder, "--json"))}
    assert listed == {f"{'a' * 16}.json": "ok", f"{'b' * 16}.failed.json": "failed", f"{'c' * 16}.json": "damaged"}
    output = results("list", folder)
    assert all(state in output for state in ("ok", "failed", "damaged", "yes"))
    assert "\x1b" not in output


def test_clean_asks_lists_and_deletes_nothing_else(folder):
    before = names(folder)
    for how in ({"input": "n\n"}, {"input": ""}, {}):
        arguments = ["clean", folder, *([] if how else ["--dry-run"])]
        results(*arguments, code=130 if how == {"input": ""} else 0, **how)
        assert names(folder) == before
    results("clean", folder, "--yes")
    assert before - names(folder) == {f"{'b' * 16}.failed.json", f"{'c' * 16}.json"}
    results("clean", folder, "--yes")
    results("clean", folder, "--unused", "--yes")
    assert f"{'a' * 16}.json" in names(folder)


def test_diff_tells_by_its_exit_code(folder, tmp_path):
    other = fill(tmp_path / "other", 0.75)
    results("diff", folder, folder)
    assert "+0.250" in results("diff", folder, other, code=1)
    results("diff", folder, other, "--tolerance", "0.25")
    found = json.loads(results("diff", folder, other, "--json", code=1))
    assert [(each["a"], each["b"]) for each in found["numbers"]] == [(0.5, 0.75)]


BAD = ["list nowhere", "list /dev/null", f"list {'x' * 5000}", "clean nowhere --yes", "diff out nowhere", "lst", "list"]
BAD += ["diff out out --tolerance nan", "diff out out --top -1", "diff out out --ignore colour"]


@pytest.mark.parametrize("arguments", BAD)
def test_bad_input_is_one_line(arguments, folder, monkeypatch):
    monkeypatch.chdir(folder.parent)
    [line] = results(*arguments.split(), code=2).strip().splitlines()
    assert line.startswith("Error: ")


def test_all_of_it_works_without_torch(folder):
    code = (
        "import sys\nfrom click.testing import CliRunner\nfrom mri_robust.cli import main\n"
        "def run(*words):\n    return CliRunner().invoke(main, ['results', *words]).exit_code\n"
        "assert run('--help') == run('list', '--help') == 0\n"
        "assert not {'pandas', 'numpy', 'rich', 'torch'} & set(sys.modules)\n"
        "folder = sys.argv[1]\n"
        "assert run('list', folder) == run('clean', folder, '--dry-run') == run('diff', folder, folder) == 0\n"
        "print(*({'torch', 'torchvision', 'art', 'torchattacks'} & set(sys.modules)))"
    )
    made = subprocess.run([sys.executable, "-c", code, folder], check=True, capture_output=True, text=True)
    assert made.stdout.strip() == ""
