"""`mri-robust snoop`: which images carry a suspicious pattern."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mri_robust.cli import options as shared
from mri_robust.cli.options import FOLDER, PATH

if TYPE_CHECKING:
    import numpy as np

    from mri_robust.core.progress import OnStep
    from mri_robust.data.scans import Scans
    from mri_robust.defences.snooping import Snooper

_ROWS, _PICTURES = 40, 48
_CHUNK = 256


@click.command()
@click.argument("path", type=PATH)
@click.option(
    "--detector", type=PATH, required=True, metavar="FILE", help="What Snooper.save wrote, a .safetensors file."
)
@click.option(
    "--threshold", type=float, metavar="SCORE", help="Least suspicious score, 0 to 1.  [default: the detector's own]"
)
@click.option("--out", type=FOLDER, default="snooped", metavar="FOLDER", help="Where snoop.csv and snoop.png go.")
@shared.skip_unreadable_option
@shared.device_option
@shared.threads_option
def snoop(path: Path, detector: Path, threshold: float | None, out: Path, **options: Any) -> None:
    """List the images of PATH that carry a suspicious pattern.

    PATH is an image, or a folder (searched to its depths) or a .zip of images. Every image's score goes to
    snoop.csv, what is flagged also to the sheet snoop.png, so that a person can look at it; a detector that judges
    places frames the most suspicious one.
    """
    from mri_robust.core.errors import UserError, shown

    if threshold is not None and not 0 <= threshold <= 1:
        raise UserError(f"--threshold must be from 0 to 1, got {threshold:g}")

    import numpy as np
    import pandas as pd
    import torch

    from mri_robust.cli.progress import StepProgress, make_console
    from mri_robust.core.files import writable_folder, write_text
    from mri_robust.core.machine import keep_freed_memory, resolve_device
    from mri_robust.data.scans import read_scans
    from mri_robust.defences.snooping import Snooper
    from mri_robust.report.contact_sheet import Picture, contact_sheet, save_sheet
    from mri_robust.report.tables import print_table, table_of

    keep_freed_memory()
    torch.set_num_threads(options["threads"] or torch.get_num_threads())
    processor = resolve_device(options["device"])
    snooper = Snooper.load(detector)
    model = snooper.model.to(processor)
    sheet, table = out / "snoop.png", out / "snoop.csv"
    # The sheet of an earlier run may lie in the very folder that is searched.
    how = {"skip_unreadable": options["skip_unreadable"], "leave_out": sheet}
    scans = read_scans(path, size=model.image_size, channels=model.channels, **how)  # type: ignore[arg-type]
    writable_folder(out)
    with StepProgress() as progress:
        scores = _score(snooper, scans, progress)
    least = snooper.threshold if threshold is None else threshold
    order = np.argsort(-scores, kind="stable")
    flagged = order[scores[order] >= least]

    marks = ["true" if rank < len(flagged) else "false" for rank in range(len(order))]
    columns = {"file": [scans.names[i] for i in order], "score": [str(scores[i]) for i in order], "flagged": marks}
    write_text(table, pd.DataFrame(columns, dtype=object).to_csv(index=False, lineterminator="\n"))
    sheet.unlink(missing_ok=True)
    verdict = f"{len(flagged)} of {len(scores)} images flagged at threshold {least:.4g}"
    if len(flagged):
        listed = [{"score": f"{scores[i]:.4f}", "file": shown(scans.names[i])} for i in flagged[:_ROWS]]
        more = f"and {len(flagged) - _ROWS} more in snoop.csv" if len(flagged) > _ROWS else ""
        print_table(table_of("Suspicious images", listed, texts=2, note=more), make_console())
        drawn = flagged[:_PICTURES]
        places = snooper.where(scans.images[drawn])
        framed = {} if places is None else dict(zip(drawn, map(tuple, places.tolist()), strict=True))
        pictures = [
            Picture(scans.images[i], f"{scores[i]:.3f}\n{scans.names[i]}", marked=framed.get(i)) for i in flagged
        ]
        save_sheet(contact_sheet([("", pictures)], verdict, most=_PICTURES), sheet)
    for line in _resized(scans, model.image_size):
        click.echo(f"note: {line}")
    if scans.skipped:
        click.echo("skipped: " + ", ".join(f"{count} {reason}" for reason, count in sorted(scans.skipped.items())))
    click.echo(f"wrote {shown(table)}" + (f" and {shown(sheet)}" if len(flagged) else "; no sheet, nothing is flagged"))
    click.echo(f"{verdict} ({_reliability(snooper, least)})")


def _score(snooper: Snooper, scans: Scans, on_step: OnStep) -> np.ndarray:
    import numpy as np

    scores, total = [], len(scans.names)
    for start in range(0, total, _CHUNK):
        on_step("look for patterns", start, total)
        scores.append(snooper.score(scans.images[start : start + _CHUNK]))
    return np.concatenate(scores)


def _resized(scans: Scans, size: int) -> list[str]:
    """What resizing to the detector's size may have hidden, or made up."""
    from mri_robust.models.architectures.patch_detector import FIELD

    least, most = scans.sizes.min(1), scans.sizes.max(1)
    large, small, said, total = most > 2 * size, least < min(FIELD, size), [], len(least)
    if large.any():
        which = f"{large.sum()} of {total} images, up to {most.max()} pixels wide or high"
        said.append(f"shrunk to {size} pixels: {which}; marks of a few pixels are lost in that")
    if small.any():
        first = scans.names[int(small.argmax())]
        which = f"{small.sum()} of {total} images, under {FIELD} pixels wide or high, the first {first}"
        said.append(f"enlarged to {size} pixels: {which}; their scores say little")
    return said


def _reliability(snooper: Snooper, threshold: float) -> str:
    """What is known of the detector at this threshold."""
    facts = snooper.facts
    if threshold != snooper.threshold:
        return f"the detector's own is {snooper.threshold:.4g}"
    if not {"recall", "false_positive_rate"} <= facts.keys():
        return "not validated"
    return f"validation: recall {facts['recall']:.2f}, false-positive rate {facts['false_positive_rate']:.2f}"
