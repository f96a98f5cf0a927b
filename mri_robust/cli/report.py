"""`mri-robust report`."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
def report(folder: Path) -> None:
    """Write report.html, report.md and figures of a finished run again, from what it left in DIR.

    Nothing is computed again, and torch is not needed.
    """
    from mri_robust.report.page import write_report

    click.echo(f"report: {write_report(folder)}")
