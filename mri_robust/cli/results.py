"""`mri-robust results`: what a results folder stores, what differs between two; and `mri-robust report`."""

import json
from pathlib import Path
from typing import Any

import click

from mri_robust.cli.options import PATH

_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for machines.")


@click.command()
@click.argument("folder", metavar="DIR", type=PATH)
def report(folder: Path) -> None:
    """Write report.html, report.md and figures of a finished run again, from what it left in DIR.

    Nothing is computed again, and torch is not needed.
    """
    from mri_robust.report.page import write_report

    click.echo(f"report: {write_report(folder)}")


@click.group()
def results() -> None:
    """Look into the --out folder of a run: what it stores, what can go, how two differ."""


@results.command("list")
@click.argument("folder", metavar="DIR", type=PATH)
@_json_option
def list_command(folder: Path, as_json: bool) -> None:
    """List the results and models that DIR stores, with their state, and which of them the last run used."""
    from mri_robust.report.results import files_tables, stored
    from mri_robust.study.results_folder import ResultsFolder

    files = stored(ResultsFolder(folder))
    if as_json:
        click.echo(json.dumps(files, indent=2))
    else:
        _print(*files_tables(files))


@results.command()
@click.argument("folder", metavar="DIR", type=PATH)
@click.option("--unused", is_flag=True, help="Also what the last run did not use: results, and models of other data.")
@click.option("--dry-run", is_flag=True, help="List what would go, and stop.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def clean(folder: Path, unused: bool, dry_run: bool, yes: bool) -> None:
    """Delete what no report needs from DIR: failures, damaged files, and what interrupted runs left half done.

    Nothing else is touched, and nothing at all while a run is at work in DIR. A training that was interrupted starts
    from its beginning after that.
    """
    from mri_robust.report.results import files_tables, removable, stored, while_nobody_runs
    from mri_robust.study.results_folder import ResultsFolder

    place = ResultsFolder(folder)
    stored(place)  # so that what is no results folder is not locked either
    with while_nobody_runs(place):
        files = removable(stored(place), unused=unused)
        if not files:
            click.echo("nothing to clean")
            return
        _print(*files_tables(files))
        if dry_run or not (yes or click.confirm("Delete these files?")):
            click.echo("nothing was deleted")
            return
        for each in files:
            (folder / each["file"]).unlink(missing_ok=True)
        click.echo(f"freed {sum(each['bytes'] for each in files)} bytes in {len(files)} files")


@results.command()
@click.argument("a", metavar="A", type=PATH)
@click.argument("b", metavar="B", type=PATH)
@click.option("--tolerance", type=float, default=0.0, help="Largest difference that counts as none.")
@click.option("--ignore", multiple=True, metavar="COLUMN", help="A column that may differ, such as scale; repeatable.")
@click.option("--top", type=click.IntRange(0), default=20, help="How many differences to print.")
@_json_option
def diff(a: Path, b: Path, tolerance: float, ignore: tuple[str, ...], top: int, as_json: bool) -> None:
    """Compare the last runs of two results folders, number by number.

    Exit code 0 when both have the same numbers, 1 when any differs or is in only one of them. Facts of the runs
    (versions, machine, data, seeds) are printed where they differ, and do not change the code.
    """
    from mri_robust.core.errors import UserError
    from mri_robust.report.results import compare
    from mri_robust.study.results_folder import ResultsFolder

    if not 0 <= tolerance < float("inf"):
        raise UserError(f"--tolerance must be a number of at least 0, got {tolerance:g}")
    found = compare(ResultsFolder(a), ResultsFolder(b), tolerance=tolerance, ignore=ignore)
    if as_json:
        click.echo(json.dumps(found.plain(), indent=2))
    else:
        _print(*found.tables(top))
        click.echo("all numbers are equal" if found.same else "the numbers differ")
    raise SystemExit(0 if found.same else 1)


def _print(*tables: Any) -> None:
    from mri_robust.cli.progress import make_console
    from mri_robust.report.tables import print_table

    for table in tables:
        print_table(table, make_console())
