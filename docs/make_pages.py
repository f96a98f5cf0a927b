"""Make docs/cli.md from every command's help and docs/api.md from the docstrings: `python docs/make_pages.py`."""

import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

import mri_robust
from mri_robust.cli import main

TOPICS = {
    "mri_robust.attacks.evasion": "Attacks on images",
    "mri_robust.attacks.poisoning": "Attacks on the training images, and triggers",
    "mri_robust.attacks.training_time": "Attacks on the training",
    "mri_robust.attacks.privacy": "Attacks on privacy",
    "mri_robust.adapters": "ART, torchattacks and MAITE",
    "mri_robust.defences": "Defences",
    "mri_robust.data": "Data",
    "mri_robust.models": "Models",
    "mri_robust.training": "Training",
    "mri_robust.evaluation": "Measuring",
    "mri_robust.bench": "Measuring",
    "mri_robust": "Everything else",
}
"""Package -> heading, in the page's order; a name goes under the first that its module lies in."""
INTRODUCTION = """# Python interface

Made by `python docs/make_pages.py` from the docstrings; a test keeps it true.

Unless it says otherwise, images are float32 `[N, C, H, W]` in [0, 1], C = 1 for grey and 3 for RGB, and labels int64
`[N]`. Sizes (epsilon, alpha) are in pixels of [0, 1]: 4/255 is `4 / 255`; in L2 they are norms of the change of a whole
image. A name is imported when it is first used, so `import mri_robust` loads no torch."""
WIDEST = 100
CALLS = ("__call__", "forward", "step")
"""Methods that say what goes in and out, shown in full."""


def command_page() -> str:
    """docs/cli.md."""
    parts = ["# Command line\n\nMade by `python docs/make_pages.py`; a test keeps it true."]
    parts += [f"## `{path}`\n\n```text\n{text}\n```" for path, text in _helps(main, "mri-robust", None)]
    return "\n\n".join(parts) + "\n"


def _helps(command: click.Command, name: str, parent: click.Context | None) -> list[tuple[str, str]]:
    settings = {**command.context_settings, "max_content_width": 100, "terminal_width": 100}
    context = click.Context(command, info_name=name, parent=parent, **settings)
    pages = [(context.command_path, command.get_help(context).rstrip())]
    if isinstance(command, click.Group):
        for each in command.list_commands(context):
            found = command.get_command(context, each)
            pages += _helps(found, each, context) if found else []
    return pages


def python_page() -> str:
    """docs/api.md."""
    parts = [INTRODUCTION]
    named = {name: getattr(mri_robust, name) for name in mri_robust.__all__ if not name.startswith("__")}
    placed = {name: next(topic for topic in TOPICS if _inside(value, topic)) for name, value in named.items()}
    for heading in dict.fromkeys(TOPICS.values()):
        names = sorted((name for name in named if TOPICS[placed[name]] == heading), key=str.lower)
        parts += [f"## {heading}"] if names else []
        parts += [part for name in names for part in _entry(name, named[name])]
    return "\n\n".join(parts) + "\n"


def signature(name: str, value: Any) -> str:
    """A call as Python would write it, a parameter a line where it is long."""
    found = inspect.signature(value)
    if inspect.isclass(value):
        found = found.replace(return_annotation=inspect.Signature.empty)
    text = re.sub(r"(: |-> )(?:'([^']*)'|\"([^\"]*)\")", r"\1\2\3", str(found))
    text = re.sub(r"<function (\w+) at 0x\w+>", r"\1", text)  # an address is another one in each run
    if len(name + text) > WIDEST:
        parameters = re.split(r", (?=\*?\*?\w+:|\*,|/)", text[1 : text.rindex(")")])
        text = "(\n    " + ",\n    ".join(parameters) + ",\n)" + text[text.rindex(")") + 1 :]
    return name + text


def _inside(value: Any, package: str) -> bool:
    return f"{value.__module__}.".startswith(f"{package}.")


def _entry(name: str, value: Any) -> Iterator[str]:
    yield f"### `{name}`"
    about = inspect.cleandoc(sys.modules[value.__module__].__doc__ or "").split("\n\n")[0]
    yield f"`{value.__module__}`: {' '.join(about.split())}"
    yield _code(signature(name, value))
    yield _markdown(value.__doc__)
    if inspect.isclass(value):
        yield from _methods(value)


def _methods(value: type) -> Iterator[str]:
    own = {name: method for name, method in vars(value).items() if getattr(method, "__doc__", None)}
    for name in CALLS:
        if name in own and inspect.isfunction(own[name]):
            yield _code(signature(f".{name}", own[name].__get__(object())))
            yield _markdown(own[name].__doc__)
    others = [name for name in own if not name.startswith("_") and name not in CALLS and callable(getattr(value, name))]
    if others:
        yield "Also:"
        yield "\n".join(f"- `.{name}`: {_first_line(own[name].__doc__)}" for name in others)


def _first_line(text: str) -> str:
    return " ".join(inspect.cleandoc(text).split("\n\n")[0].split())


def _code(text: str) -> str:
    return f"```python\n{text}\n```"


def _markdown(docstring: str | None) -> str:
    """A docstring with its sections (`Args:`, `Raises:`) as lists."""
    paragraphs = []
    for paragraph in inspect.cleandoc(docstring or "").split("\n\n"):
        head, _, rest = paragraph.partition("\n")
        listed = re.fullmatch(r"(Args|Attributes|Returns|Raises|Yields):", head)
        if listed:
            items = re.split(r"\n {4}(?! )", f"\n{rest}")[1:]
            lines = (re.sub(r"^([\w, *]+):", r"`\1`:", " ".join(item.split())) for item in items)
            paragraphs.append(f"{listed[1]}:\n\n" + "\n".join(f"- {line}" for line in lines))
        else:
            paragraphs.append(" ".join(paragraph.split()))
    return "\n\n".join(paragraphs)


if __name__ == "__main__":
    folder = Path(__file__).parent
    (folder / "cli.md").write_text(command_page(), encoding="utf-8")
    (folder / "api.md").write_text(python_page(), encoding="utf-8")
