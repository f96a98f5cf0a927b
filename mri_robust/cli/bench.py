"""`mri-robust bench`, and `mri-robust crosscheck`, the certificate of its attacks alone."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from mri_robust.cli import options as shared
from mri_robust.cli.options import AT_LEAST_1, FILE, OWN_MODEL, PATH, choice
from mri_robust.core.errors import UserError, shown
from mri_robust.core.packages import import_torchvision
from mri_robust.study.config import ENGINES
from mri_robust.study.protocol import PROTOCOLS
from mri_robust.study.scale import SCALES

RESNETS = ("resnet18", "resnet50")
HELP = {
    "--protocol": "Evaluate as the field accepts, as the study did with its faults, or both.",
    "--scale": "40 px in minutes; every image and epoch at 56 px; at 112 px; the study's own 224 px and batch.",
    "--engine": "Whose code crafts the images of Tables 3 and 4; the worst case is always our own.",
    "--weights": "First weights of the ResNets; auto takes ImageNet's where they are found, else random ones.",
    "--weights-dir": "Where torchvision's ImageNet files lie.  [default: torch's cache]",
    "--model": "A model to attack.  [default: the quick CNN_clean of the data, trained once]",
}


@click.command()
@click.argument("experiments", nargs=-1, metavar="[EXPERIMENT]...")
@shared.data_options
@shared.tumour_classes_option
@choice("--protocol", (*PROTOCOLS, "both"), HELP["--protocol"])
@choice("--scale", tuple(SCALES), HELP["--scale"])
@shared.norm_option
@choice("--engine", ENGINES, HELP["--engine"])
@click.option("--weights", default="auto", metavar="auto|none|imagenet|FILE", help=HELP["--weights"])
@click.option("--weights-dir", type=PATH, metavar="FOLDER", help=HELP["--weights-dir"])
@click.option("--seeds", default=1, type=click.IntRange(1, 1000), help="Models trained per table.")
@shared.machine_options
@shared.executor_options
@shared.said_options
@shared.out_option("results")
@click.option("--all", "everything", is_flag=True, help="Also the experiments that the study lacks.")
@click.option("--list", "list_only", is_flag=True, help="List the experiments and stop.")
def bench(experiments: tuple[str, ...], out: Path, everything: bool, list_only: bool, **options: Any) -> None:
    """Regenerate tables and figures of the study, all of them when no EXPERIMENT is named, and more by name.

    Prints each table when it is done, progress to stderr, and writes one CSV per experiment, report.html, report.md,
    figures, models and a cross-check certificate to --out. What was computed before for the same inputs is not computed
    again, so a run that was cut short goes on.
    """
    import_torchvision()
    from mri_robust.cli.run import config_of, execute, settle
    from mri_robust.study.experiment import all_experiments, load_experiment

    if list_only:
        for each in all_experiments(beyond=True):
            click.echo(f"{each.name:<19} {' '.join(each.aliases):<15} {each.title} ({each.reference})")
        return
    norm, protocols = options["norm"], PROTOCOLS if options["protocol"] == "both" else (options["protocol"],)
    if norm != "linf" and "paper" in protocols:
        raise UserError(f"the study attacks in L-inf alone: --norm {norm} goes with --protocol sound")
    named = [load_experiment(name) for name in experiments] or all_experiments(beyond=everything)
    weights, folder = options["weights"], options["weights_dir"]
    engine = {"engine": options["engine"], "weights": _first_weights(weights, folder), "weights_folder": folder}
    config = config_of(options, scale=SCALES[options["scale"]].in_norm(norm), **engine)
    configs = [replace(config, protocol=each) for each in protocols]
    run, certificate = execute(list({each.name: each for each in named}.values()), configs, out, options)
    shared.print_json(options, run.summary)
    settle(run, certificate)


def _first_weights(weights: str, folder: Path | None) -> tuple[tuple[str, str, str], ...]:
    """(ResNet, `none`, `imagenet` or a file, its digest); UserError for a file or folder that is none, or damaged."""
    from mri_robust.core.files import checksum
    from mri_robust.models.weights import find_imagenet

    if weights == "auto":
        return tuple((name, "imagenet" if find_imagenet(name, folder) else "none", "") for name in RESNETS)
    if weights in ("none", "imagenet"):
        return tuple((name, weights, "") for name in RESNETS)
    if not Path(weights).is_file():
        known = "use auto, none, imagenet or the path of a state dict"
        raise UserError(f"weights file '{weights}' does not exist: {known}")
    return tuple((name, weights, checksum(Path(weights))) for name in RESNETS)


@click.command()
@click.option("--model", "source", metavar=OWN_MODEL, help=HELP["--model"])
@shared.data_options
@click.option("--images", type=AT_LEAST_1, help="Test images to compare.  [default: all]")
@shared.machine_options
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
        certificate = certify_run(trainer, config.on(trainer.dataset), images, with_deviations=True)
    write_text(out, canonical_json(certificate.content(), indent=2) + "\n")
    print_table(certificate_table(certificate.content()["comparisons"]), make_console())
    click.echo(f"certificate: {shown(out)}")
    click.echo(certificate.verdict())
    raise SystemExit(0 if certificate.passed else 1)
