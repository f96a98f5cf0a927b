"""README, docs and help say what the code does."""

import inspect
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import torch
from click.testing import CliRunner
from toy_models import dyadic_images, small_net

import mri_robust
from mri_robust.cli import main
from mri_robust.evaluation import worst_case
from mri_robust.evaluation.worst_case import SIGNS
from mri_robust.models.external import channels_of, fit_to_data
from mri_robust.models.opening import open_model
from mri_robust.study.protocol import FAULTS

ROOT = Path(__file__).parents[1]
PAGES = {
    str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), ROOT / "docs/results/README.md")
}
WRITTEN = [name for name in PAGES if name != "docs/cli.md"]
README = PAGES["README.md"]
LINKS = [(name, link) for name, text in PAGES.items() for link in re.findall(r"\]\(([^)\s]+)\)", text)]


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGES[page], flags=re.DOTALL)


def command_lines(page: str) -> Iterator[list[str]]:
    """The words of every `mri-robust` in a page's shell blocks, without the name itself."""
    for line in "\n".join(blocks(page, "bash")).splitlines():
        for part in re.split(r"&&|  #", line):
            if found := re.match(r"\s*(?:\S*/)?mri-robust (.*)", part):
                yield shlex.split(found[1])


def descend(words: list[str]) -> tuple[click.Command, list[str]]:
    """The command that some words name, and the words after it."""
    command: click.Command = main
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        found = command.get_command(click.Context(command), words[0])
        assert found, words
        command, words = found, words[1:]
    return command, words


def every_command(group: click.Group = main, path: str = "mri-robust") -> Iterator[tuple[str, click.Command]]:
    for name in group.list_commands(click.Context(group)):
        command, _ = descend([*path.split()[1:], name])
        yield f"{path} {name}", command
        if isinstance(command, click.Group):
            yield from every_command(command, f"{path} {name}")


def test_every_command_and_option_has_help() -> None:
    for path, command in every_command():
        assert command.help, path
        assert all(each.help for each in command.params if isinstance(each, click.Option)), path


@pytest.mark.parametrize("page", WRITTEN)
def test_every_command_line_of_a_page_is_understood(page: str) -> None:
    for words in command_lines(page):
        command, rest = descend(words)
        command.make_context(words[0], rest)  # refuses unknown options, values out of range, missing arguments


@pytest.mark.parametrize("page", WRITTEN)
def test_commands_and_options_named_in_a_sentence_exist(page: str) -> None:
    text = re.sub(r"```.*?```", "", PAGES[page], flags=re.DOTALL)
    known = {option for _, command in every_command() for each in command.params for option in each.opts}
    for code in re.findall(r"`([^`\n]+)`", text):
        if found := re.match(r"mri-robust ([a-z].*)", code):
            command, rest = descend(found[1].split("|")[0].split())
            assert {word for word in rest if word.startswith("--")} <= {o for each in command.params for o in each.opts}
        elif re.match(r"--[a-z]", code):
            assert code.split()[0] in known, code


def test_the_made_pages_are_current(tmp_path: Path) -> None:
    shutil.copy(ROOT / "docs/make_pages.py", tmp_path)
    subprocess.run([sys.executable, tmp_path / "make_pages.py"], cwd=ROOT, check=True)
    for name in ("cli.md", "api.md"):
        assert (tmp_path / name).read_text(encoding="utf-8") == PAGES[f"docs/{name}"], "run: python docs/make_pages.py"


@pytest.mark.parametrize("name", [name for name in mri_robust.__all__ if not name.startswith("__")])
def test_every_public_name_is_on_the_python_page_with_all_its_parameters(name: str) -> None:
    value = getattr(mri_robust, name)
    section = PAGES["docs/api.md"].split(f"### `{name}`\n")[1].split("\n### ")[0]
    call = re.search(r"```python\n(.*?)\n```", section, flags=re.DOTALL)[1]
    assert call.startswith(f"{name}(")
    assert all(re.search(rf"\b{each}: ", call) for each in inspect.signature(value).parameters)


def anchors(text: str) -> set[str]:
    """The addresses of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize(("page", "link"), LINKS)
def test_every_link_leads_somewhere(page: str, link: str) -> None:
    if link.startswith("https://"):
        return
    target, _, anchor = link.partition("#")
    path = (ROOT / page).parent / target if target else ROOT / page
    assert path.exists(), link
    assert not anchor or anchor in anchors(path.read_text(encoding="utf-8")), link


@pytest.mark.parametrize("page", PAGES)
def test_every_file_that_a_page_names_is_there(page: str) -> None:
    assert not re.findall(r"(?:^|[\s`'\"(=])/(?:home|root|tmp|work|usr|opt|Users|mnt)/\S*", PAGES[page])
    for name in re.findall(r"`((?:mri_robust|tests|benchmarks)/[\w/]+(?:\.py)?)`", PAGES[page]):
        shown = re.search(rf"`{name}`[^\n]*:\n\n```python", PAGES[page])
        assert shown or (ROOT / name).exists(), name


def test_the_faults_are_those_of_the_protocol_and_each_says_where_its_switch_is() -> None:
    sections = re.split(r"^## ", PAGES["docs/faults.md"], flags=re.MULTILINE)[1:]
    assert [re.match(r"`([\w-]+)`", section)[1] for section in sections] == list(FAULTS)
    for section, meaning in zip(sections, FAULTS.values(), strict=True):
        assert section.split("\n\n")[1].lower() == f"{meaning.lower()}."
        assert "Switch: " in section


def test_the_sanity_checks_are_all_explained() -> None:
    found = mri_robust.sanity_checks(small_net(), dyadic_images(4), torch.arange(4))
    listed = re.findall(r"^\| `([\w-]+)` \|", PAGES["docs/report.md"], flags=re.MULTILINE)
    assert sorted(listed) == sorted({*SIGNS, *(each.check for each in found)})


def test_the_readmes_code_and_its_audit_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All its Python as one script, then its audits of the model that the script saved, on fewer images and epochs."""
    cuts = {"train=400,test=100": "train=32,test=16", "size=56": "size=16", "epochs=6": "epochs=1"}
    script, words = "\n".join(blocks("README.md", "python")), list(command_lines("README.md"))
    for long, short in cuts.items():
        assert long in script
        script = script.replace(long, short)
    environment = {**os.environ, "PYTHONWARNINGS": "ignore"}
    command = [sys.executable, "-c", script]
    result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert "cross-check PASSED" in result.stdout
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(worst_case.SURVIVOR_ATTACKS, "quick", (worst_case.library("Square", n_queries=10),))
    audits = [each for each in words if each[0] == "audit"]
    assert len(audits) == 2
    for audit in audits:
        asked = [word.replace("train=400,test=100", "train=32,test=16") for word in audit]
        short = ["--steps", "2", "--restarts", "1", "--images", "8", "--eps", "1/255", "--threads", "1"]
        printed = CliRunner().invoke(main, [*asked, *short])
        assert "cross-check PASSED" in printed.output, printed.output
        assert printed.exit_code == int("--fail-under" in asked and "FAILED" in printed.output)


def test_the_factories_of_the_models_page_are_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every one that the page names, on the images that it takes; timm and checkpoints have tests of their own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    (tmp_path / "my_models.py").write_text("\n".join(blocks("docs/your-model.md", "python")))
    torch.jit.script(torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64 * 64, 4))).save("scripted.pt")
    named = set(re.findall(r"--model (my_models:\w+)", PAGES["docs/your-model.md"]))
    assert len(named) == 6
    for source in named:
        model = open_model(source)
        channels = 1 if channels_of(model, 64)[0] == "grey" else 3
        classes = ("no", "yes") if "one" in source else ("glioma", "meningioma", "notumor", "pituitary")
        fitted, _ = fit_to_data(model, torch.rand(3, channels, 64, 64), classes, source)
        assert fitted(torch.rand(2, channels, 64, 64)).shape == (2, len(classes))


def test_importing_the_package_and_asking_for_help_load_no_torch() -> None:
    code = (
        "import sys, mri_robust, mri_robust.cli\n"
        "from click.testing import CliRunner\n"
        "for words in ('--help', 'bench --help', 'audit --help', 'data --help', 'report --help'):\n"
        "    assert CliRunner().invoke(mri_robust.cli.main, words).exit_code == 0\n"
        "heavy = {'torch', 'pandas', 'matplotlib', 'art', 'torchattacks', 'sklearn'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_every_public_name_can_be_had() -> None:
    assert set(mri_robust.__all__) <= set(dir(mri_robust))
    with pytest.raises(AttributeError, match="nonsense"):
        mri_robust.nonsense  # noqa: B018


def test_the_import_contract_holds() -> None:
    linter = shutil.which("lint-imports", path=str(Path(sys.executable).parent))
    assert linter, "import-linter is not installed beside this Python"
    result = subprocess.run([linter, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout


def test_the_citation_is_valid() -> None:
    yaml = pytest.importorskip("yaml", reason="no YAML parser is installed")
    citation = yaml.safe_load((ROOT / "docs/CITATION.cff").read_text(encoding="utf-8"))
    assert {"message", "title", "authors", "type", "version", "license"} <= citation.keys()
    assert (citation["cff-version"], citation["version"]) == ("1.2.0", mri_robust.__version__)
    for each in (citation, *citation["references"]):
        assert all({"name"} <= author.keys() or {"family-names"} <= author.keys() for author in each["authors"])
