"""`mri-robust data`: look at a data set before anything is trained on it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from mri_robust.cli import options as shared
from mri_robust.cli.options import FILE, FOLDER, Command


def _source_options(size: int) -> Callable[[Command], Command]:
    """The options that say which data set to load and how; `size` is the default one."""
    said = "Height and width in pixels that images are resized to."
    return shared.combined(
        shared.data_options, click.option("--size", type=click.IntRange(8, 1024), default=size, help=said)
    )


@click.group()
def data() -> None:
    """Look at a data set: what is in it, what is wrong with it, what it looks like."""


@data.command()
@_source_options(size=224)
def info(data: str, channels: str | None, **options: Any) -> None:
    """Print class counts, pixel statistics, repeated images and test images leaked from training."""
    from rich.console import Console

    from mri_robust.data.audit import summarise
    from mri_robust.data.dataset import load_dataset
    from mri_robust.report.audit import print_summary

    dataset = load_dataset(data, channels=channels or "grey", **options)  # type: ignore[arg-type]
    _say_notes(dataset.notes)
    print_summary(dataset, summarise(dataset), Console(emoji=False))


@data.command()
@_source_options(size=128)
@click.option("--out", type=FILE, default="preview.png", help="The PNG file to write.")
@click.option(
    "--images", type=click.IntRange(1, 512), default=32, help="How many images, shared evenly among the classes."
)
@shared.choice("--part", ("train", "test"), "Whether to draw training or test images.")
@click.option("--seed", type=click.IntRange(min=0), default=0, help="Decides which images are drawn.")
def preview(data: str, channels: str | None, out: Path, images: int, part: str, seed: int, **options: Any) -> None:
    """Draw a sheet of sample images, one strip per class, to a PNG file."""
    from mri_robust.core.errors import UserError, shown
    from mri_robust.core.files import writable_folder
    from mri_robust.data.dataset import load_dataset
    from mri_robust.data.subset import preview_places
    from mri_robust.report.contact_sheet import Picture, contact_sheet, save_sheet

    if out.suffix.lower() != ".png":
        raise click.BadParameter(f"'{shown(out)}' does not end in .png", param_hint="--out")
    writable_folder(out.parent)
    dataset = load_dataset(data, channels=channels or "grey", **options)  # type: ignore[arg-type]
    drawn = dataset.train if part == "train" else dataset.test
    facts = (f"{part} split", f"{len(drawn)} images", f"{dataset.size} x {dataset.size} pixels", dataset.channels)
    strips = [
        (f"{name}, {len(places)} of {(drawn.labels == label).sum()}", [*map(Picture, drawn.images[places])])
        for label, (name, places) in enumerate(zip(dataset.classes, preview_places(drawn, images, seed), strict=False))
        if len(places)
    ]
    try:
        save_sheet(contact_sheet(strips, dataset.name, ", ".join(facts)), out)
    except OSError as error:
        raise UserError(f"cannot write '{shown(out)}': {error.strerror or error}; choose another --out") from error
    click.echo(f"wrote {shown(out)}")


@data.command()
@shared.source_option
@shared.split_option
@shared.groups_option
@shared.skip_unreadable_option
@shared.threads_option
@click.option(
    "--out", type=FOLDER, default="audit", metavar="FOLDER", help="Where audit.csv and audit.png are written."
)
def audit(data: str, threads: int | None, out: Path, **options: Any) -> None:
    """Look for what makes numbers measured on a data set worthless.

    Finds images that stand twice, pixel for pixel or nearly (other brightness, encoding, mirrored), within and
    between training and test; the same picture in two classes; unreadable files; and whatever gives a class away
    without a look at the brain: colour, frames, borders, file sizes. Reads images as RGB at 224 pixels. Every
    finding goes to audit.csv, the pairs to look at first to audit.png.
    """
    from threadpoolctl import threadpool_limits

    from mri_robust.cli.progress import StepProgress, make_console
    from mri_robust.core.errors import shown
    from mri_robust.core.files import writable_folder, write_text
    from mri_robust.data.audit.full import AUDIT_SIZE
    from mri_robust.data.audit.full import audit as audit_dataset
    from mri_robust.data.dataset import load_dataset
    from mri_robust.report.audit import pair_strips, print_audit, telling_pairs
    from mri_robust.report.contact_sheet import contact_sheet, save_sheet

    dataset = load_dataset(data, size=AUDIT_SIZE, channels="rgb", **options)
    _say_notes(dataset.notes)
    writable_folder(out)
    with StepProgress() as progress, threadpool_limits(threads):
        found = audit_dataset(dataset, on_step=progress)
    print_audit(found, make_console())

    table, sheet = out / "audit.csv", out / "audit.png"
    write_text(table, found.findings.to_csv(index=False, float_format="%.4f", lineterminator="\n"))
    sheet.unlink(missing_ok=True)
    pairs = telling_pairs(found.findings, found.images.set_index("file")["group"])
    if len(pairs):
        title = f"{dataset.name}: pairs to look at first"
        save_sheet(contact_sheet(pair_strips(pairs, dataset), title, across=4, side=AUDIT_SIZE * 3 // 4), sheet)
    click.echo(f"wrote {shown(table)}" + (f" and {shown(sheet)}" if len(pairs) else "; no sheet, no pair is near"))


def _say_notes(notes: tuple[str, ...]) -> None:
    from rich.console import Console

    for note in notes:
        Console(emoji=False).print(f"note: {note}", highlight=False, markup=False)
