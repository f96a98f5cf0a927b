"""`mri-robust crosscheck`."""

from __future__ import annotations

from pathlib import Path

import click

from mri_robust.cli.options import data_options, machine_options
from mri_robust.core.packages import import_torchvision


@click.command()
@click.option(
    "--model",
    "model_path",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="A checkpoint to attack.  [default: the quick CNN_clean of the data, trained once]",
)
@data_options
@click.option("--images", type=click.IntRange(min=1), help="Test images to compare.  [default: all]")
@machine_options
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    default="crosscheck.json",
    show_default=True,
    help="The certificate to write.",
)
def crosscheck(
    model_path: Path | None,
    data: str,
    channels: str | None,
    skip_unreadable: bool,
    images: int | None,
    device: str,
    precision: str,
    out: Path,
) -> None:
    """Certify that our attacks agree with ART's and torchattacks' on every image.

    Runs the three engines from the same injected start and compares pixels, predictions and success image by image;
    exit code 1 when a stated bound is broken.
    """
    import_torchvision()
    from mri_robust.bench.certify import certify_file, certify_quick
    from mri_robust.bench.environment import Machine
    from mri_robust.cli.progress import StepProgress, make_console
    from mri_robust.core.files import writable_folder, write_text
    from mri_robust.core.machine import keep_freed_memory
    from mri_robust.data.layout import shown
    from mri_robust.report.terminal import print_certificate

    writable_folder(out.parent)
    keep_freed_memory()
    machine = Machine.choose(device, precision)
    source = {"data": data, "channels": channels, "skip_unreadable": skip_unreadable}
    console = make_console()
    with StepProgress(console) as progress:
        if model_path is None:
            certificate = certify_quick(source, images, machine, progress)
        else:
            certificate = certify_file(model_path, source, images, machine, progress)
    write_text(out, certificate.json())
    print_certificate(certificate.rows(), console)
    click.echo(f"certificate: {shown(out)}")
    click.echo(certificate.verdict())
    raise SystemExit(0 if certificate.passed else 1)
