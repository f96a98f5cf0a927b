"""`mri-robust snoop`: which images carry a suspicious pattern."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from mri_robust.cli.options import device_option, skip_unreadable_option

if TYPE_CHECKING:
    import numpy as np
    from rich.console import Console

    from mri_robust.data.scans import Scans
    from mri_robust.defences.snooping import Snooper

_ROWS, _PICTURES = 40, 48
_CHUNK = 256


@click.command()
@click.argument("path", type=click.Path(path_type=Path))
@click.option(
    "--detector",
    type=click.Path(path_type=Path),
    required=True,
    metavar="FILE",
    help="The snooping detector, a .safetensors file that Snooper.save wrote.",
)
@click.option(
    "--threshold", type=float, metavar="SCORE", help="Least suspicious score, 0 to 1.  [default: the detector's own]"
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default="snooped",
    show_default=True,
    metavar="FOLDER",
    help="Where snoop.csv and snoop.png are written.",
)
@skip_unreadable_option
@device_option
def snoop(path: Path, detector: Path, threshold: float | None, out: Path, skip_unreadable: bool, device: str) -> None:
    """List the images of PATH that carry a suspicious pattern.

    PATH is an image, or a folder (searched to its depths) or a .zip of images. Every image's score goes to
    snoop.csv, what is flagged also to the sheet snoop.png, so that a person can look at it.
    """
    from mri_robust.core.errors import UserError, shown

    if threshold is not None and not 0 <= threshold <= 1:
        raise UserError(f"--threshold must be from 0 to 1, got {threshold:g}")

    import numpy as np

    from mri_robust.cli.progress import make_console
    from mri_robust.core.files import writable_folder, write_text
    from mri_robust.core.machine import keep_freed_memory, resolve_device
    from mri_robust.data.scans import read_scans
    from mri_robust.defences.snooping import Snooper
    from mri_robust.report.contact_sheet import Picture, contact_sheet, save_sheet

    keep_freed_memory()
    processor = resolve_device(device)
    snooper = Snooper.load(detector)
    model = snooper.model.to(processor)
    sheet, table = out / "snoop.png", out / "snoop.csv"
    # The sheet of an earlier run may lie in the very folder that is searched.
    scans = read_scans(
        path,
        size=model.image_size,
        channels=model.channels,  # type: ignore[arg-type]
        skip_unreadable=skip_unreadable,
        leave_out=sheet,
    )
    writable_folder(out)
    console = make_console()
    scores = _score(snooper, scans, console)
    least = snooper.threshold if threshold is None else threshold
    order = np.argsort(-scores, kind="stable")
    flagged = order[scores[order] >= least]

    write_text(table, _csv(scans, scores, order, len(flagged)))
    sheet.unlink(missing_ok=True)
    verdict = f"{len(flagged)} of {len(scores)} images flagged at threshold {least:.4g}"
    if len(flagged):
        _print_flagged(scans, scores, flagged, console)
        pictures = [Picture(scans.images[i], f"{scores[i]:.3f}\n{scans.names[i]}") for i in flagged]
        save_sheet(contact_sheet([("", pictures)], verdict, most=_PICTURES), sheet)
    if scans.skipped:
        click.echo("skipped: " + ", ".join(f"{count} {reason}" for reason, count in sorted(scans.skipped.items())))
    click.echo(f"wrote {shown(table)}" + (f" and {shown(sheet)}" if len(flagged) else "; no sheet, nothing is flagged"))
    click.echo(f"{verdict} ({_reliability(snooper, least)})")


def _score(snooper: Snooper, scans: Scans, console: Console) -> np.ndarray:
    import numpy as np

    from mri_robust.cli.progress import StepProgress

    total = len(scans.names)
    scores = []
    with StepProgress(console) as progress:
        progress("look for patterns", 0, total)
        for start in range(0, total, _CHUNK):
            scores.append(snooper.score(scans.images[start : start + _CHUNK]))
            progress("look for patterns", min(start + _CHUNK, total), total)
    return np.concatenate(scores)


def _csv(scans: Scans, scores: np.ndarray, order: np.ndarray, flagged: int) -> str:
    """Every image, the most suspicious first; `flagged` is true for the first so many."""
    import csv
    import io

    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("file", "score", "flagged"))
    for rank, index in enumerate(order):
        writer.writerow((scans.names[index], str(scores[index]), str(rank < flagged).lower()))
    return text.getvalue()


def _print_flagged(scans: Scans, scores: np.ndarray, flagged: np.ndarray, console: Console) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from mri_robust.core.errors import shown

    table = Table(title="Suspicious images", title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("score", justify="right", no_wrap=True)
    table.add_column("file", overflow="fold")
    for index in flagged[:_ROWS]:
        table.add_row(f"{scores[index]:.4f}", Text(shown(scans.names[index])))
    if len(flagged) > _ROWS:
        table.add_row("", Text(f"and {len(flagged) - _ROWS} more in snoop.csv"))
    console.print(table)


def _reliability(snooper: Snooper, threshold: float) -> str:
    """What is known of the detector at this threshold."""
    facts = snooper.facts
    if threshold != snooper.threshold:
        return f"the detector's own is {snooper.threshold:.4g}"
    if not {"recall", "false_positive_rate"} <= facts.keys():
        return "not validated"
    return f"validation: recall {facts['recall']:.2f}, false-positive rate {facts['false_positive_rate']:.2f}"
