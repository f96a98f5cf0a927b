"""`mri-robust crosscheck`."""

from pathlib import Path
from typing import Any

import click

from mri_robust.cli.options import AT_LEAST_1, FILE, OWN_MODEL, data_options, machine_options
from mri_robust.core.packages import import_torchvision

SAID = "A model to attack.  [default: the quick CNN_clean of the data, trained once]"


@click.command()
@click.option("--model", "source", metavar=OWN_MODEL, help=SAID)
@data_options
@click.option("--images", type=AT_LEAST_1, help="Test images to compare.  [default: all]")
@machine_options
@click.option("--out", type=FILE, default="crosscheck.json", help="The certificate to write.")
def crosscheck(source: str | None, images: int | None, out: Path, **options: Any) -> None:
    """Certify that our attacks agree with ART's and torchattacks' on every image.

    Runs the three engines from the same injected start and compares pixels, predictions and success image by image;
    exit code 1 when a stated bound is broken.
    """
    import_torchvision()
    from mri_robust.bench.audit import Asked, open_models
    from mri_robust.bench.runner import certify_run
    from mri_robust.bench.worker import Worker
    from mri_robust.cli.progress import StepProgress, make_console
    from mri_robust.cli.run import config_of
    from mri_robust.core.errors import shown
    from mri_robust.core.files import cache_folder, writable_folder, write_text
    from mri_robust.core.hashing import canonical_json
    from mri_robust.report.content import certificate_table
    from mri_robust.report.tables import print_table
    from mri_robust.study.results_folder import ResultsFolder

    writable_folder(out.parent)
    config, modules = config_of(options), None
    with StepProgress() as progress:
        if source:
            modules, config, *_ = open_models([Asked(source)], config, by_name=False)
        trainer = Worker(ResultsFolder(cache_folder("crosscheck")), opened=modules, on_step=progress).trainer(config)
        certificate = certify_run(trainer, config.on(trainer.dataset), images)
    write_text(out, canonical_json(certificate.content(), indent=2) + "\n")
    print_table(certificate_table(certificate.content()["comparisons"]), make_console())
    click.echo(f"certificate: {shown(out)}")
    click.echo(certificate.verdict())
    raise SystemExit(0 if certificate.passed else 1)
