"""`bench`: make what is missing, then write tables, comparisons and provenance."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from mri_robust.bench.comparisons import comparison_table
from mri_robust.bench.environment import Machine, package_versions
from mri_robust.bench.executors import EXECUTORS, ExecutorOptions
from mri_robust.bench.model_store import ModelStore
from mri_robust.bench.plan import FIRST_SEED, Plan
from mri_robust.bench.tables import csv_text, tidy_table
from mri_robust.bench.worker import Job, Outcome, Worker
from mri_robust.core.errors import UserError
from mri_robust.core.files import write_text
from mri_robust.core.progress import OnStep, silent
from mri_robust.study.cell import Cell

NO_IMAGENET = (
    "ImageNet weights were not found, so ResNets start from random weights and their rows carry weights=none; put them "
    "into a folder and give it as --weights-dir, or use --weights imagenet to download them"
)
Measured = dict[str, list[tuple[Cell, dict[str, Any]]]]
"""Experiment -> its cells with their results, in table order; without those that failed."""


class Bench:
    """One run of the bench into one folder.

    Args:
        plan: what to run.
        out: where to.
        machine: on what.
        on_step: called as (what is going on, done, total).
        executor: who runs the cells; this process when None.
    """

    def __init__(
        self,
        plan: Plan,
        out: Path,
        machine: Machine,
        on_step: OnStep | None = None,
        executor: ExecutorOptions | None = None,
    ) -> None:
        self.plan = plan
        self.out = out
        self.machine = machine
        self.on_step = on_step or silent
        self.executor = executor or ExecutorOptions()
        self.worker = Worker(Job(plan, out, machine), self.on_step)
        self.outcomes: list[Outcome] = []

    def open_models(self, protocol: str) -> ModelStore:
        """The models of a protocol's data set, which is loaded on the way."""
        return self.worker.open_models(protocol)

    def run(self) -> Measured:
        """Measure every cell of the plan; returns cells with results by experiment name, in table order.

        A cell that fails leaves its rows out, and the others go on; see `failures`.

        Raises:
            UserError: the data cannot be read, or every cell failed.
            OSError: nothing more can be written; what was measured before stays stored.
        """
        cells = [cell for protocol in self.plan.protocols for cell in self._declare(protocol)]
        names = [each.name for each in self.plan.experiments]
        left = {name: sum(cell.words["experiment"] == name for cell in cells) for name in names}
        found: list[Outcome | None] = [None] * len(cells)
        for place, outcome in EXECUTORS.load(self.executor.name)(self.worker, cells, self.executor):
            found[place] = outcome
            self.outcomes.append(outcome)
            name = cells[place].words["experiment"]
            left[name] -= 1
            if not left[name]:
                write_text(self.out / f"{name}.csv", csv_text(tidy_table(_measured(name, cells, found))))
        if cells and len(self.failures()) == len(cells):
            raise UserError(f"nothing could be measured: {self.failures()[0]}")
        measured = {name: _measured(name, cells, found) for name in names}
        everything = [pair for pairs in measured.values() for pair in pairs]
        write_text(self.out / "comparisons.csv", csv_text(comparison_table(everything)))
        return measured

    def failures(self) -> list[str]:
        """Why cells failed, in one line each."""
        return [outcome.error for outcome in self.outcomes if outcome.result is None]

    def notices(self) -> list[str]:
        """What was found damaged, and made again."""
        return [*(notice for outcome in self.outcomes for notice in outcome.notices), *self.worker.take_notices()]

    def _declare(self, protocol: str) -> list[Cell]:
        """All cells of a protocol, before the first is measured, so that what cannot be asked is said at once."""
        dataset = self.open_models(protocol).dataset
        settings = self.plan.settings(dataset, protocol)
        environment = self.machine.deciding()
        said = {"tumour_classes": sorted(dataset.tumour_classes)} if dataset.tumour_classes else {}
        return [
            replace(cell, environment=environment, parameters={**cell.parameters, **said})
            for experiment in self.plan.experiments
            for setting in settings
            for cell in experiment.cells(setting)
        ]

    def warnings(self, measured: Measured) -> list[str]:
        """What a reader must know of the trained models: first weights, overfitting to an attack, sanity checks."""
        found = [NO_IMAGENET] if self.plan.weights == "auto" and self._lacks_imagenet(measured) else []
        for protocol in self.plan.protocols:
            models = self.open_models(protocol)
            cells = [cell for cells in measured.values() for cell, _ in cells if cell.words["protocol"] == protocol]
            for recipe in {models.name(cell.recipe): cell.recipe for cell in cells if cell.recipe.adversary}.values():
                last = (models.history(recipe) or [{}])[-1]
                if last.get("overfitted"):
                    found.append(
                        f"{recipe.model} ({protocol}, seed {recipe.seed}) overfitted to its attack: {last['fgsm']:.2f} "
                        f"under FGSM, {last['pgd']:.2f} under PGD on 64 training images"
                    )
        return [*found, *_sanity_warnings(measured)]

    def _lacks_imagenet(self, measured: Measured) -> bool:
        recipes = [recipe for cells in measured.values() for cell, _ in cells for recipe in (cell.recipe, *cell.others)]
        return any(recipe.weights == "none" for recipe in recipes)

    def provenance(self, command: str, measured: Measured, seconds: float) -> dict[str, Any]:
        """What `run.json` says: command, versions, machine, data, seeds, which cells, seconds."""
        plan = self.plan
        return {
            "command": command,
            "versions": package_versions(),
            "machine": self.machine.description(),
            "data": {
                channels: {
                    "name": models.dataset.name,
                    "digest": models.dataset.digest,
                    "train": len(models.dataset.train),
                    "test": len(models.dataset.test),
                    "skipped": models.dataset.skipped,
                }
                for channels, models in self.worker.models.items()
            },
            "experiments": [name for name, cells in measured.items() if cells],
            "protocols": list(plan.protocols),
            "scale": plan.scale.name,
            "cuts": plan.scale.cuts(),
            "engine": plan.engine,
            "weights": ", ".join(f"{name} {weights}" for name, (weights, _) in plan.first_weights.items()),
            "seeds": [FIRST_SEED + index for index in range(plan.seeds)],
            "cells": {name: [cell.digest for cell, _ in cells] for name, cells in measured.items()},
            "words": {name: [cell.words for cell, _ in cells] for name, cells in measured.items()},
            "warnings": self.warnings(measured),
            "computed": sum(outcome.computed for outcome in self.outcomes),
            "reused": sum(not outcome.computed for outcome in self.outcomes),
            "failed": self.failures(),
            "executor": self.executor.name,
            "seconds": round(seconds, 1),
        }


def _measured(name: str, cells: list[Cell], found: list[Outcome | None]) -> list[tuple[Cell, dict[str, Any]]]:
    """The cells of an experiment that have results, in table order."""
    return [
        (cell, outcome.result)
        for cell, outcome in zip(cells, found, strict=True)
        if cell.words["experiment"] == name and outcome is not None and outcome.result is not None
    ]


def _sanity_warnings(measured: Measured) -> list[str]:
    """What sanity checks that tripped say, with the model."""
    return [
        "{model} ({protocol}, seed {seed}), sanity check ".format(**cell.words) + finding["message"]
        for pairs in measured.values()
        for cell, result in pairs
        for finding in result.get("findings", ())
        if finding["tripped"]
    ]
