"""`mri-robust results`: what a results folder stores, and what differs between two."""

from __future__ import annotations

import json
from pathlib import Path

import click

_FOLDER = click.Path(path_type=Path)
_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for machines.")


@click.group()
def results() -> None:
    """Look into the --out folder of a bench: what it stores, what can go, how two differ."""


@results.command("list")
@click.argument("folder", metavar="DIR", type=_FOLDER)
@_json_option
def list_command(folder: Path, as_json: bool) -> None:
    """List the cells and models that DIR stores, with their state, and which of them the last run used."""
    from mri_robust.report.stored import open_stored

    stored = open_stored(folder)
    if as_json:
        from mri_robust.report.stored_listing import listing

        click.echo(json.dumps(listing(stored), indent=2))
        return
    from mri_robust.cli.progress import make_console
    from mri_robust.report.stored_tables import print_stored

    print_stored(stored, make_console())


@results.command()
@click.argument("folder", metavar="DIR", type=_FOLDER)
@click.argument("prefix", metavar="DIGEST")
def show(folder: Path, prefix: str) -> None:
    """Show one cell or model of DIR: all that its file says.

    DIGEST is the beginning of its digest, or of a model's name; as many digits as tell it from the others.
    """
    from mri_robust.cli.progress import make_console
    from mri_robust.report.stored import find, open_stored
    from mri_robust.report.stored_pages import print_entry

    stored = open_stored(folder)
    console = make_console()
    for entry in find(stored, prefix):
        print_entry(stored, entry, console)


@results.command()
@click.argument("folder", metavar="DIR", type=_FOLDER)
@click.option("--unused", is_flag=True, help="Also results and models that the last run did not use.")
@click.option("--dry-run", is_flag=True, help="List what would go, and stop.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def clean(folder: Path, unused: bool, dry_run: bool, yes: bool) -> None:
    """Delete what no report needs from DIR: failures, damaged files, and what interrupted runs left half done.

    Nothing else is touched, and nothing at all while a bench is at work in DIR. A training or measurement that was
    interrupted starts from its beginning after that.
    """
    from rich.filesize import decimal

    from mri_robust.cli.progress import make_console
    from mri_robust.core.errors import UserError
    from mri_robust.report.cleaning import delete, removable, while_no_bench_runs
    from mri_robust.report.stored import open_stored
    from mri_robust.report.stored_tables import count_text, print_removable

    open_stored(folder)  # so that what is no results folder is not locked either
    with while_no_bench_runs(folder):
        files = removable(open_stored(folder), unused=unused)
        if not files:
            click.echo("nothing to clean")
            return
        print_removable(files, folder, make_console())
        if dry_run:
            return
        try:
            agreed = yes or click.confirm("Delete these files?")
        except click.Abort:
            click.echo()
            raise UserError("nothing was deleted: answer y, or give --yes") from None
        if not agreed:
            click.echo("nothing was deleted")
            return
        click.echo(f"freed {decimal(delete(files))} in {count_text(len(files), 'file')}")


@results.command()
@click.argument("a", metavar="A", type=_FOLDER)
@click.argument("b", metavar="B", type=_FOLDER)
@click.option("--tolerance", type=float, default=0.0, show_default=True, help="Largest difference that counts as none.")
@click.option(
    "--ignore",
    multiple=True,
    metavar="COLUMN",
    help="Join across different values of a column, such as scale; repeatable.",
)
@click.option(
    "--top",
    type=click.IntRange(min=0),
    default=20,
    show_default=True,
    help="How many of the numbers that differ to print.",
)
@_json_option
def diff(a: Path, b: Path, tolerance: float, ignore: tuple[str, ...], top: int, as_json: bool) -> None:
    """Compare the last runs of two results folders, number by number.

    Exit code 0 when both have the same numbers, 1 when any differs, is in only one of them, or cannot be read. Facts of
    the runs (versions, machine, data, seeds) are printed where they differ, and do not change the code.
    """
    from mri_robust.core.errors import UserError
    from mri_robust.report.differences import compare

    if not 0 <= tolerance < float("inf"):
        raise UserError(f"--tolerance must be a number of at least 0, got {tolerance:g}")
    found = compare(a, b, tolerance=tolerance, ignore=ignore)
    from mri_robust.report.difference_tables import plain_differences, print_differences

    if as_json:
        click.echo(json.dumps(plain_differences(found), indent=2))
    else:
        from mri_robust.cli.progress import make_console

        print_differences(found, make_console(), top=top)
    raise SystemExit(0 if found.same else 1)
