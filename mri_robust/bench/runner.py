"""`bench`: make what is missing, then write tables, certificate and provenance."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from mri_robust.bench.comparisons import comparison_table
from mri_robust.bench.environment import Machine, package_versions
from mri_robust.bench.model_store import ModelStore
from mri_robust.bench.store import Store
from mri_robust.bench.tables import csv_text, tidy_table
from mri_robust.core.digest import plain
from mri_robust.core.files import write_text
from mri_robust.core.progress import OnStep, silent
from mri_robust.data.cache import checksum
from mri_robust.data.dataset import Channels, Dataset, load_dataset
from mri_robust.evaluation.measures import MEASURES
from mri_robust.evaluation.subject import Subject
from mri_robust.models.pretrained import find_imagenet
from mri_robust.study.cell import Cell
from mri_robust.study.experiment import Experiment
from mri_robust.study.scale import SCALES
from mri_robust.study.setting import DataFacts, Setting

RESNETS = ("resnet18", "resnet50")
FIRST_SEED = 42
"""The study's seed; further seeds count up from it."""


@dataclass(frozen=True)
class Plan:
    """What to run: the options of `bench`, checked."""

    experiments: tuple[Experiment, ...]
    data: str = "phantom"
    channels: Channels | None = None
    skip_unreadable: bool = False
    protocols: tuple[str, ...] = ("sound",)
    scale: str = "quick"
    engine: str = "native"
    weights: str = "auto"
    weights_folder: Path | None = None
    seeds: int = 1

    def settings(self, dataset: Dataset, protocol: str) -> list[Setting]:
        """One setting a seed."""
        facts = DataFacts(
            name=dataset.name,
            digest=dataset.digest,
            channels=dataset.channels,
            classes=dataset.classes,
            train_images=len(dataset.train),
            test_images=len(dataset.test),
        )
        weights = self.first_weights
        seeds = range(FIRST_SEED, FIRST_SEED + self.seeds)
        return [Setting(protocol, SCALES[self.scale], facts, seed, self.engine, weights) for seed in seeds]

    @cached_property
    def first_weights(self) -> dict[str, tuple[str, str]]:
        """ResNet -> (`none`, `imagenet` or a file; the digest of that file); `auto` takes ImageNet's where they are.

        Raises:
            UserError: the folder of weights does not exist, or a file in it is not what its name says.
        """
        if self.weights not in ("auto", "none", "imagenet"):
            return dict.fromkeys(RESNETS, (self.weights, checksum(Path(self.weights))))
        if self.weights != "auto":
            return dict.fromkeys(RESNETS, (self.weights, ""))
        return {name: ("imagenet" if find_imagenet(name, self.weights_folder) else "none", "") for name in RESNETS}


NO_IMAGENET = (
    "ImageNet weights were not found, so ResNets start from random weights and their rows carry weights=none; put them "
    "into a folder and give it as --weights-dir, or use --weights imagenet to download them"
)
Measured = dict[str, list[tuple[Cell, dict[str, Any]]]]
"""Experiment -> its cells with their results, in table order."""


class Bench:
    """One run of the bench into one folder.

    Args:
        plan: what to run.
        out: where to.
        machine: on what.
        on_step: called as (what is going on, done, total).
    """

    def __init__(self, plan: Plan, out: Path, machine: Machine, on_step: OnStep | None = None) -> None:
        self.plan = plan
        self.out = out
        self.machine = machine
        self.on_step = on_step or silent
        self.store = Store(out / "cells")
        self.models: dict[str, ModelStore] = {}
        self.computed = 0
        self.reused = 0

    def run(self) -> Measured:
        """Measure every cell of the plan; returns cells with results by experiment name, in table order.

        Raises:
            UserError: the data cannot be read, or a training fails; what was measured before stays stored.
        """
        results: Measured = {each.name: [] for each in self.plan.experiments}
        declared = {protocol: self._declare(protocol) for protocol in self.plan.protocols}
        for protocol, experiments in declared.items():
            models = self.open_models(protocol)
            for name, cells in experiments.items():
                results[name] += [(cell, self._measure(cell, models)) for cell in cells]
                self._write_csv(name, results[name])
                models.forget()
        everything = [pair for measured in results.values() for pair in measured]
        write_text(self.out / "comparisons.csv", csv_text(comparison_table(everything)))
        return results

    def _declare(self, protocol: str) -> dict[str, list[Cell]]:
        """All cells of a protocol, before the first is measured, so that what cannot be asked is said at once."""
        settings = self.plan.settings(self.open_models(protocol).dataset, protocol)
        environment = self.machine.deciding()
        return {
            experiment.name: [
                replace(cell, environment=environment) for setting in settings for cell in experiment.cells(setting)
            ]
            for experiment in self.plan.experiments
        }

    def open_models(self, protocol: str) -> ModelStore:
        """The models of a protocol's data set, which is loaded on the way; RGB for `paper`, grey for `sound`."""
        channels: Channels = self.plan.channels or ("rgb" if protocol == "paper" else "grey")
        if channels not in self.models:
            self.on_step("load data", 0, 1)
            dataset = load_dataset(
                self.plan.data,
                size=SCALES[self.plan.scale].image_size,
                channels=channels,
                skip_unreadable=self.plan.skip_unreadable,
            )
            self.models[channels] = ModelStore(
                self.out / "models",
                dataset,
                self.machine,
                weights_folder=self.plan.weights_folder,
                on_step=self.on_step,
            )
        return self.models[channels]

    def _measure(self, cell: Cell, models: ModelStore) -> dict[str, Any]:
        stored = self.store.get(cell.digest)
        if stored is not None:
            self.reused += 1
            return stored
        model, others = models.get(cell.recipe), tuple(models.get(recipe) for recipe in cell.others)
        subject = Subject(model, models.dataset, models.history(cell.recipe), others)
        what = f"{cell.words['experiment']} {cell.measure} {cell.recipe.model}"
        began = time.perf_counter()
        result = MEASURES.load(cell.measure)(
            cell.parameters, subject, lambda done, total: self.on_step(what, done, total)
        )
        # What is stored is what a later run reads back, so that both write the same tables.
        result = json.loads(json.dumps(plain(result)))
        about = {**cell.words, "model_file": models.name(cell.recipe), "seconds": round(time.perf_counter() - began, 2)}
        self.store.put(cell.digest, result, about)
        self.computed += 1
        return result

    def _write_csv(self, name: str, measured: list[tuple[Cell, dict[str, Any]]]) -> None:
        write_text(self.out / f"{name}.csv", csv_text(tidy_table(measured)))

    def warnings(self, measured: Measured) -> list[str]:
        """What a reader must know of the trained models: first weights, adversarial training that PGD breaks."""
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
        return found

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
                for channels, models in self.models.items()
            },
            "experiments": [experiment.name for experiment in plan.experiments],
            "protocols": list(plan.protocols),
            "scale": plan.scale,
            "cuts": SCALES[plan.scale].cuts(),
            "engine": plan.engine,
            "weights": ", ".join(f"{name} {weights}" for name, (weights, _) in plan.first_weights.items()),
            "seeds": [FIRST_SEED + index for index in range(plan.seeds)],
            "cells": {name: [cell.digest for cell, _ in cells] for name, cells in measured.items()},
            "words": {name: [cell.words for cell, _ in cells] for name, cells in measured.items()},
            "warnings": self.warnings(measured),
            "computed": self.computed,
            "reused": self.reused,
            "seconds": round(seconds, 1),
        }
