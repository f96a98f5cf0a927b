"""The page docs/cli.md: every command's help. `python -m mri_robust.cli.reference` prints it."""

from __future__ import annotations

import click

from mri_robust.cli import main


def reference() -> str:
    """The whole page, Markdown."""
    parts = ["# Command line\n\nMade by `python -m mri_robust.cli.reference`; a test keeps it true."]
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


if __name__ == "__main__":
    click.echo(reference(), nl=False)
