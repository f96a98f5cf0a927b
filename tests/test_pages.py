"""The pages under docs/ say what the code does."""

import inspect
import re
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import mri_robust
from mri_robust.cli import COMMANDS, api_reference, main
from mri_robust.evaluation.sanity import CHECKS
from mri_robust.study.protocol import FAULTS

DOCS = Path(__file__).parents[1] / "docs"
PAGES = {path.name: path.read_text(encoding="utf-8") for path in sorted(DOCS.glob("*.md"))}
LINKS = [(name, link) for name, text in PAGES.items() for link in re.findall(r"\]\(([^)\s]+)\)", text)]


def anchors(text):
    """The addresses of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


def unfenced(text):
    return re.sub(r"```.*?```", "", text, flags=re.DOTALL)


@pytest.mark.parametrize(("page", "link"), LINKS)
def test_every_link_leads_somewhere(page, link):
    if link.startswith("https://"):
        return
    target, _, anchor = link.partition("#")
    path = DOCS / target if target else DOCS / page
    assert path.exists(), link
    assert not anchor or anchor in anchors(path.read_text(encoding="utf-8")), link


@pytest.mark.parametrize("page", [*PAGES, "CITATION.cff"])
def test_no_page_names_a_place_on_somebodys_machine(page):
    text = (DOCS / page).read_text(encoding="utf-8")
    assert not re.findall(r"(?:^|[\s`'\"(=])/(?:home|root|tmp|work|usr|opt|Users|mnt)/\S*", text)


@pytest.mark.parametrize("page", PAGES)
def test_every_file_that_a_page_names_is_there(page):
    for name in re.findall(r"`((?:mri_robust|tests|benchmarks)/[\w/]+(?:\.py)?)`", PAGES[page]):
        shown = re.search(rf"`{name}`[^\n]*:\n\n```python", PAGES[page])
        assert shown or (DOCS.parent / name).exists(), name


def code(text):
    """Lines of shell blocks, and short pieces of code."""
    blocks = "\n".join(re.findall(r"```bash\n(.*?)```", text, flags=re.DOTALL))
    return [*blocks.splitlines(), *re.findall(r"`([^`\n]+)`", unfenced(text))]


@pytest.mark.parametrize("page", [name for name in PAGES if name not in ("cli.md", "CHANGELOG.md")])
def test_every_command_line_of_a_page_exists(page):
    for line in code(PAGES[page]):
        used = re.match(r"(?:\S*/)?mri-robust ([a-z]+)((?: [^#|]*)?)$", line.partition("  #")[0])
        if not used:
            continue
        name, rest = used[1], used[2].split()
        assert name in COMMANDS, line
        command = main.get_command(click.Context(main), name)
        if isinstance(command, click.Group) and rest:
            command = command.commands[rest[0]]
        known = {option for parameter in command.params for option in parameter.opts}
        assert {word for word in rest if word.startswith("--")} <= known, line


def test_the_list_of_faults_is_the_protocols():
    sections = re.split(r"^## ", PAGES["faults.md"], flags=re.MULTILINE)[1:]
    assert [re.match(r"`([\w-]+)`", section)[1] for section in sections] == list(FAULTS)
    for section, meaning in zip(sections, FAULTS.values(), strict=True):
        assert section.split("\n\n")[1].lower() == f"{meaning.lower()}."
        assert "Switch: " in section


def test_the_sanity_checks_are_all_explained():
    rows = re.findall(r"^\| `([\w-]+)` \|", PAGES["report.md"], flags=re.MULTILINE)
    assert sorted(rows) == sorted(CHECKS)


def test_the_python_page_is_made_from_the_docstrings():
    assert PAGES["api.md"] == api_reference.reference(), "run: python -m mri_robust.cli.api_reference > docs/api.md"


@pytest.mark.parametrize("name", [name for name in mri_robust.__all__ if not name.startswith("__")])
def test_every_public_name_stands_on_the_python_page_with_all_its_parameters(name):
    value = getattr(mri_robust, name)
    section = PAGES["api.md"].split(f"### `{name}`\n")[1]
    call = re.search(r"```python\n(.*?)\n```", section, flags=re.DOTALL)[1]
    assert call.startswith(f"{name}(")
    parameters = [f.name for f in inspect.signature(value).parameters.values()]
    assert [found for found in re.findall(r"(?:^|[(,\s*])(\w+)(?=: )", call) if found in parameters] == parameters
    assert inspect.cleandoc(value.__doc__).split("\n")[0].split("*")[0].strip() in " ".join(section.split())


def test_getting_started_works_as_it_says(tmp_path, monkeypatch):
    """Its script, then its first curve, on fewer images and in one epoch."""
    page = re.sub(r"train=400,test=100", "train=32,test=16", PAGES["getting-started.md"]).replace(
        "epochs=6", "epochs=1"
    )
    script = re.search(r"```python\n(.*?)```", page, flags=re.DOTALL)[1]
    monkeypatch.chdir(tmp_path)
    exec(script, {})
    words = re.search(r"^mri-robust (curve --model mine\.safetensors .*)$", page, flags=re.MULTILINE)[1]
    result = CliRunner().invoke(main, [*words.split(), "--steps", "2"])
    assert result.exit_code == 0, result.output
    printed = re.search(r"```text\n(.*?)```", page, flags=re.DOTALL)[1]
    for line in ("Missed tumours: share of the", "sanity checks passed", "written to curve: curve.csv, images.csv"):
        assert line in printed
        assert line in result.output


def test_the_citation_is_valid():
    yaml = pytest.importorskip("yaml", reason="no YAML parser is installed")
    citation = yaml.safe_load((DOCS / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["cff-version"] == "1.2.0"
    assert {"message", "title", "authors", "type", "version", "license"} <= citation.keys()
    assert citation["version"] == mri_robust.__version__
    assert any("Breaking and Fixing" in each["title"] for each in citation["references"])
    for each in (citation, *citation["references"]):
        assert all({"name"} <= author.keys() or {"family-names"} <= author.keys() for author in each["authors"])
