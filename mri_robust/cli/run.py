"""What `bench` and `audit` share: run with progress, print each table when it is done, check, cross-check, report."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mri_robust.core.errors import UserError, one_line

if TYPE_CHECKING:
    import pandas as pd
    from torch import nn

    from mri_robust.bench.runner import Run
    from mri_robust.evaluation.crosscheck import Certificate
    from mri_robust.study.config import Config
    from mri_robust.study.experiment import Experiment


def config_of(options: dict[str, Any], **further: Any) -> Config:
    """The run that a command's options about data and machine ask for; UserError for CUDA where there is none."""
    import torch

    from mri_robust.core.machine import keep_freed_memory, resolve_device, resolve_precision
    from mri_robust.study.config import Config

    keep_freed_memory()
    device = resolve_device(options["device"])
    names = ("data", "split", "skip_unreadable", "channels", "tumour_classes", "groups")
    data = {name: options[name] for name in names if name in options}
    precision, threads = resolve_precision(options["precision"], device), options["threads"] or torch.get_num_threads()
    return Config(device=device.type, precision=precision, threads=threads, **data, **further)


def execute(
    experiments: Sequence[Experiment],
    configs: Sequence[Config],  # one per protocol, of the first seed
    out: Path,
    options: dict[str, Any],  # those of `executor_options` and `said_options`, and `seeds`
    *,
    opened: dict[str, nn.Module] | None = None,
    images: int | None = None,  # test images that the attacks are cross-checked on
    notes: Sequence[str] = (),  # are printed first and kept, one line each
) -> tuple[Run, Certificate | None]:
    """Run experiments into a folder, print every table when it is done, then warnings and the cross-check's verdict.
    There is no certificate where `--checks` leaves it out. UserError for unreadable data, or nothing measured."""
    from mri_robust.bench.runner import RUN_IMAGES, Run, certify_run
    from mri_robust.bench.worker import ExecutorOptions
    from mri_robust.cli.options import CHECKS
    from mri_robust.cli.progress import StepProgress, make_console
    from mri_robust.core.files import writable_folder
    from mri_robust.report.experiment import pairs_table, print_experiment
    from mri_robust.report.page import write_report
    from mri_robust.report.tables import print_table
    from mri_robust.study.epsilon import IN_L2
    from mri_robust.study.results_folder import ResultsFolder

    console, began = make_console(), time.perf_counter()
    seeded = [replace(each, seed=each.seed + number) for each in configs for number in range(options["seeds"])]
    executor = ExecutorOptions(options["executor"], options["ray_address"], options["gpu_share"])
    folder, not_run, certificate = ResultsFolder(out), CHECKS[options["checks"]], None

    def say(*lines: str) -> None:
        for line in lines:
            console.print(one_line(line), highlight=False, markup=False)

    def show(experiment: Experiment, table: pd.DataFrame) -> None:
        progress.finish()
        print_experiment(experiment.description(), table, console)

    def show_pairs() -> None:
        pairs = (pairs_table(each.description(), folder.table("comparisons")) for each in experiments)
        for each in filter(None, dict.fromkeys(pairs) if run.configs[0].models else ()):
            print_table(each, console)

    with StepProgress(quiet=options["quiet"]) as progress:
        how: dict[str, Any] = {"opened": opened, "on_step": progress, "executor": executor, "not_run": not_run}
        run = Run(experiments, seeded, folder, **how)
        writable_folder(out)  # data that cannot be read leaves no folder behind
        dataset = run.worker.trainer(run.configs[0]).dataset
        notes = (*notes, *dataset.notes, *filter(None, [dataset.intervals]))
        if configs[0].scale.norm == "l2":
            left = "adversarial training and the sanity checks attack in L-inf all the same"
            notes = (f"epsilon is {IN_L2}; {left}", *notes)
        say(*(f"note: {note}" for note in notes))
        run.run(show, show_pairs)
        config = run.configs[0]
        if "cross-check" not in not_run:
            certificate = certify_run(run.worker.trainer(config), config, images or RUN_IMAGES)
    (out / "crosscheck.json").unlink(missing_ok=True)  # an earlier run's says nothing of this one
    if certificate:
        folder.write_json("crosscheck", certificate.content())
    provenance = run.provenance(shlex.join(["mri-robust", *sys.argv[1:]]), time.perf_counter() - began, notes)
    folder.write_json("run", provenance)
    say(*(f"warning: {warning}" for warning in (*run.notices(), *provenance["warnings"])))
    if "sanity checks" not in not_run and (findings := run.findings()):
        passed = sum(not finding["tripped"] for finding in findings)
        say(f"sanity checks: {passed} of {len(findings)} passed")
    if not_run:
        say(f"not run: {', '.join(not_run)}")
    say(*([certificate.verdict()] if certificate else []))
    written = f"report: {write_report(out)}   seconds: {time.perf_counter() - began:.0f}"
    progress.console.print(one_line(written), highlight=False, markup=False)
    return run, certificate


def settle(run: Run, certificate: Certificate | None) -> None:
    """End as the run went: UserError where a task failed, though all else is there, exit code 1 by the cross-check."""
    if run.failures():
        failed = f"{len(run.failures())} of {len(run.outcomes)} evaluations failed, the first with {run.failures()[0]}"
        raise UserError(f"{failed}; their rows are missing, run the same command to try them again")
    if certificate and not certificate.passed:
        raise SystemExit(1)
