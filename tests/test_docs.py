"""README, docs and help say what the code does."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest

from mri_robust.cli import main

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SETUP = [
    "python3 -m venv .venv && .venv/bin/pip install -e . && .venv/bin/mri-robust bench",
    "python3 -m venv .venv && .venv/bin/pip install -e '.[test]' && .venv/bin/pytest",
]


def commands(group=main, path="mri-robust"):
    context = click.Context(group, info_name=path)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        yield f"{path} {name}", command
        if isinstance(command, click.Group):
            yield from commands(command, f"{path} {name}")


def test_the_readme_has_exactly_the_two_set_up_lines():
    lines = [line.strip() for line in README.splitlines() if "-m venv" in line]
    assert lines == SETUP


def test_every_command_and_option_has_help():
    for path, command in commands():
        assert command.help, path
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                assert parameter.help, f"{path} {parameter.name}"


def test_the_command_line_page_is_the_help():
    # in a process of its own: click remembers the help option of a command that another test has run by itself
    made = subprocess.run([sys.executable, "-m", "mri_robust.cli.reference"], capture_output=True, check=True)
    assert (ROOT / "docs" / "cli.md").read_text(encoding="utf-8") == made.stdout.decode()


def test_every_command_line_in_the_readme_exists():
    known = {path for path, _ in commands()}
    used = set(re.findall(r"mri-robust (?:data )?[a-z]+", README))
    assert used
    assert used <= known, used - known


def test_choices_of_the_command_line_are_those_of_the_library():
    from mri_robust.evaluation.curve import ATTACKS
    from mri_robust.evaluation.engines import ENGINES

    for command, option, known in (("bench", "engine", ENGINES), ("curve", "attack", ATTACKS)):
        options = {parameter.name: parameter for parameter in dict(commands())[f"mri-robust {command}"].params}
        assert tuple(options[option].type.choices) == known


@pytest.mark.parametrize("link", re.findall(r"\]\(([^)#]+)", README))
def test_the_readmes_links_lead_somewhere(link):
    assert link.startswith("https://") or (ROOT / link).exists()


def test_the_readmes_code_runs(tmp_path):
    """All Python blocks, in order, as one script in a folder where a bench has run."""
    from mri_robust import save_model
    from mri_robust.models.classifier import build_model

    classes = ("glioma", "meningioma", "notumor", "pituitary")
    for name in ("cnn_clean", "cnn_pgd"):
        save_model(
            build_model("cnn", classes=classes, image_size=56), tmp_path / f"results/models/{name}-0.safetensors"
        )
    script = "\n".join(re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL))
    script = script.replace('load_dataset("phantom"', 'load_dataset("phantom:train=16,test=16"')
    assert script.count("import") >= 3
    environment = {**os.environ, "MRI_ROBUST_CACHE": str(tmp_path / "cache")}
    result = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    assert "cross-check PASSED" in result.stdout


def test_importing_the_package_and_asking_for_help_load_no_torch():
    code = (
        "import sys, mri_robust, mri_robust.cli\n"
        "from click.testing import CliRunner\n"
        "for words in ('--help', 'bench --help', 'bench --list', 'curve --help', 'data --help'):\n"
        "    assert CliRunner().invoke(mri_robust.cli.main, words).exit_code == 0\n"
        "heavy = {'torch', 'pandas', 'matplotlib', 'art', 'torchattacks', 'sklearn'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_every_public_name_can_be_had():
    import mri_robust

    for name in mri_robust.__all__:
        assert getattr(mri_robust, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        mri_robust.nonsense  # noqa: B018


def test_the_import_contract_holds():
    linter = shutil.which("lint-imports", path=str(Path(sys.executable).parent))
    assert linter, "import-linter is not installed beside this Python"
    result = subprocess.run([linter, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout
