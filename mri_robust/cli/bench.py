"""`mri-robust bench`."""

from __future__ import annotations

import shlex
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mri_robust.bench.executors import EXECUTORS
from mri_robust.cli.options import data_options, machine_options, tumour_classes_option
from mri_robust.core.errors import UserError
from mri_robust.core.packages import import_torchvision
from mri_robust.report.trackers import TRACKERS, Track
from mri_robust.study.experiment import all_experiments, load_experiment
from mri_robust.study.protocol import PROTOCOLS
from mri_robust.study.scale import SCALES

if TYPE_CHECKING:
    from mri_robust.bench.environment import Machine
    from mri_robust.bench.executors import ExecutorOptions
    from mri_robust.bench.plan import Plan


@click.command()
@click.argument("experiments", nargs=-1, metavar="[EXPERIMENT]...")
@data_options
@tumour_classes_option
@click.option(
    "--protocol",
    type=click.Choice([*PROTOCOLS, "both"]),
    default="sound",
    show_default=True,
    help="Evaluate as the field accepts, as the study did with its faults, or both.",
)
@click.option(
    "--scale",
    type=click.Choice(list(SCALES)),
    default="quick",
    show_default=True,
    help="56 px in minutes; every image and epoch at 56 px; at 112 px; the study's own 224 px and batch.",
)
@click.option(
    "--engine",
    type=click.Choice(["native", "art", "torchattacks"]),
    default="native",
    show_default=True,
    help="Whose code crafts the adversarial images.",
)
@click.option(
    "--weights",
    default="auto",
    show_default=True,
    metavar="auto|none|imagenet|FILE",
    help="First weights of the ResNets; auto takes ImageNet's where they are found, else random ones.",
)
@click.option(
    "--weights-dir",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Where torchvision's ImageNet files lie.  [default: torch's cache]",
)
@click.option("--seeds", default=1, show_default=True, type=click.IntRange(min=1), help="Models trained per table.")
@machine_options
@click.option(
    "--threads",
    type=click.IntRange(min=1, max=1024),
    metavar="N",
    help="CPU threads of each training and measurement; decides their rounding.  [default: torch's own number]",
)
@click.option(
    "--executor",
    type=click.Choice(EXECUTORS.names()),
    default="local",
    show_default=True,
    help="One after the other here, or as tasks of Ray, on as many CPUs each as --threads.",
)
@click.option(
    "--ray-address", metavar="HOST:PORT", help="Join this Ray cluster.  [default: a local one, bound to loopback]"
)
@click.option(
    "--gpu-share",
    type=click.FloatRange(min=0, max=1, min_open=True),
    default=1.0,
    show_default=True,
    help="Share of a GPU that a Ray task takes.",
)
@click.option(
    "--out", default="results", show_default=True, type=click.Path(path_type=Path), help="Folder for everything made."
)
@click.option(
    "--tracker",
    type=click.Choice(TRACKERS.names()),
    help="Record the finished run here too: settings, numbers, figures, models. mlflow keeps them in --out, in "
    "mlflow.db, or where MLFLOW_TRACKING_URI says.",
)
@click.option("--all", "everything", is_flag=True, help="Also the experiments that the study lacks.")
@click.option("--list", "list_only", is_flag=True, help="List the experiments and stop.")
def bench(experiments: tuple[str, ...], out: Path, everything: bool, list_only: bool, **options: Any) -> None:
    """Regenerate tables and figures of the study, all of them when no EXPERIMENT is named, and more by name.

    Writes one CSV an experiment, report.html, report.md, figures, models and a cross-check certificate to --out. What
    was computed before for the same inputs is not computed again, so a run that was cut short goes on.
    """
    if list_only:
        for each in all_experiments(beyond=True):
            click.echo(f"{each.name:<19} {' '.join(each.aliases):<15} {each.title} ({each.reference})")
        return
    named = [load_experiment(name) for name in experiments] or all_experiments(beyond=everything)
    _check_weights(options["weights"])
    track = TRACKERS.load(options["tracker"])() if options["tracker"] else None
    import_torchvision()
    from mri_robust.bench.environment import Machine
    from mri_robust.bench.executors import ExecutorOptions
    from mri_robust.bench.plan import Plan

    protocol = options["protocol"]
    plan = Plan(
        experiments=tuple({each.name: each for each in named}.values()),
        data=options["data"],
        channels=options["channels"],
        skip_unreadable=options["skip_unreadable"],
        protocols=PROTOCOLS if protocol == "both" else (protocol,),
        scale=SCALES[options["scale"]],
        engine=options["engine"],
        weights=options["weights"],
        weights_folder=options["weights_dir"],
        seeds=options["seeds"],
        tumour_classes=options["tumour_classes"],
    )
    machine = Machine.choose(options["device"], options["precision"], options["threads"])
    _run(plan, out, machine, ExecutorOptions(options["executor"], options["ray_address"], options["gpu_share"]), track)


def _check_weights(weights: str) -> None:
    if weights not in ("auto", "none", "imagenet") and not Path(weights).is_file():
        raise UserError(
            f"weights file '{weights}' does not exist: use auto, none, imagenet or the path of a state dict"
        )


def _run(plan: Plan, out: Path, machine: Machine, executor: ExecutorOptions, track: Track | None) -> None:
    """Run the bench with progress, certify, write the report, print the tables, record it with `track`."""
    from mri_robust.bench.certify import certify_bench
    from mri_robust.bench.runner import Bench
    from mri_robust.cli.progress import StepProgress, make_console
    from mri_robust.core.hashing import canonical_json
    from mri_robust.core.files import writable_folder, write_text
    from mri_robust.core.machine import keep_freed_memory
    from mri_robust.report.terminal import print_tables
    from mri_robust.report.write import write_report

    keep_freed_memory()
    console = make_console()
    began = time.perf_counter()
    with StepProgress(console) as progress:
        run = Bench(plan, out, machine, progress, executor)
        for protocol in plan.protocols:
            run.open_models(protocol)  # data that cannot be read leaves no folder behind
        writable_folder(out)
        measured = run.run()
        certificate = certify_bench(run)
    write_text(out / "crosscheck.json", certificate.json())
    command = shlex.join(["mri-robust", *sys.argv[1:]])
    provenance = run.provenance(command, measured, time.perf_counter() - began)
    for warning in [*run.notices(), *provenance["warnings"]]:
        console.print(f"warning: {warning}", highlight=False, markup=False)
    write_text(out / "run.json", canonical_json(provenance, indent=2) + "\n")
    report = write_report(out)
    print_tables(out, console)
    console.print(f"\nreport: {report}   seconds: {time.perf_counter() - began:.0f}", highlight=False)
    click.echo(certificate.verdict())
    if track:
        click.echo(track(out))
    if run.failures():
        failed = f"{len(run.failures())} of {len(run.outcomes)} cells failed, the first with {run.failures()[0]}"
        raise UserError(f"{failed}; their rows are missing, run the same command to try them again")
    if not certificate.passed:
        raise SystemExit(1)
