"""What one process of a bench does: make models, measure cells, and keep both in the run's folder."""

from __future__ import annotations

import errno
import json
import time
import traceback
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from mri_robust.bench.environment import Machine
from mri_robust.bench.model_store import ModelStore
from mri_robust.bench.plan import Plan
from mri_robust.bench.store import Store
from mri_robust.core.hashing import plain
from mri_robust.core.errors import UserError
from mri_robust.core.progress import OnStep, silent
from mri_robust.data.dataset import load_dataset, with_tumours
from mri_robust.evaluation.measures import MEASURES, PARTS
from mri_robust.evaluation.subject import MeasurePart, Spread, Subject, in_turn, spans
from mri_robust.study.cell import Cell
from mri_robust.study.recipe import Recipe

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES)
"""Errors of the disk: no cell's failure, and every other cell would meet them too."""


@dataclass(frozen=True)
class Job:
    """What every process of a bench has to know.

    Attributes:
        plan: what to run.
        out: the folder of everything made, which all processes share.
        machine: on what to compute; the number of threads is part of it.
    """

    plan: Plan
    out: Path
    machine: Machine


@dataclass(frozen=True)
class Outcome:
    """What became of a cell.

    Attributes:
        result: its numbers; None where it failed.
        error: why it failed, in one line.
        computed: whether it was measured now, not read.
        notices: what was found damaged on the way.
    """

    result: dict[str, Any] | None
    error: str = ""
    computed: bool = True
    notices: tuple[str, ...] = ()


class Worker:
    """Makes the models and measures the cells of one job.

    Args:
        job: the bench that it works for.
        on_step: called as (what is going on, done, total).
    """

    def __init__(self, job: Job, on_step: OnStep = silent) -> None:
        self.job = job
        self.on_step = on_step
        self.store = Store(job.out / "cells", self._notice)
        self.models: dict[str, ModelStore] = {}
        self._notices: list[str] = []
        self._experiment = ""
        job.machine.pin_threads()

    def open_models(self, protocol: str) -> ModelStore:
        """The models of a protocol's data set, which is loaded on the way.

        Raises:
            UserError: the data cannot be read.
        """
        plan = self.job.plan
        channels = plan.channels_of(protocol)
        if channels not in self.models:
            self.on_step("load data", 0, 1)
            dataset = load_dataset(
                plan.data,
                size=plan.scale.image_size,
                channels=channels,
                skip_unreadable=plan.skip_unreadable,
            )
            dataset = with_tumours(dataset, plan.tumour_classes)
            self.models[channels] = ModelStore(
                self.job.out / "models",
                dataset,
                self.job.machine,
                weights_folder=plan.weights_folder,
                on_step=self.on_step,
                on_damage=self._notice,
            )
        return self.models[channels]

    def measure(self, cell: Cell, spread: Spread | None = None) -> Outcome:
        """The numbers of a cell: out of the store, or measured now and stored; a failure is kept as a failure.

        Args:
            cell: what to measure.
            spread: who measures its parts; this process, one after the other, when None.

        Raises:
            OSError: nothing can be written.
        """
        self._forget_models_of_others(cell)
        found = self.store.get(cell.digest)
        computed = found is None
        error = ""
        if found is None:
            with self.store.hold(cell.digest, lambda: self.on_step(f"wait for {_title(cell)}", 0, 1)):
                found = self.store.get(cell.digest)
                computed = found is None
                if found is None:
                    found, error = self._try(cell, spread)
        return Outcome(found, error, computed, self.take_notices())

    def take_notices(self) -> tuple[str, ...]:
        """What was found damaged since this was asked last."""
        notices, self._notices = tuple(self._notices), []
        return notices

    def measure_part(self, cell: Cell, begin: int, end: int) -> Any:
        """What one part of a cell's images gives, measured here or read."""
        part = partial(PARTS.load(cell.measure), cell.parameters, self._subject(cell))
        return self._keep_part(cell, part, begin, end)

    def fail(self, cell: Cell, error: str) -> Outcome:
        """Keep that a cell has no result, because what it rests on failed."""
        self.store.put_failure(cell.digest, error, "", dict(cell.words))
        return Outcome(None, error)

    def make(self, recipe: Recipe, protocol: str) -> str:
        """Train a model if it is not there yet; returns why it failed, in one line, or an empty text."""
        try:
            self.open_models(protocol).get(recipe)
        except Exception as error:
            if _no_room(error):
                raise
            return _line(error)
        return ""

    def _try(self, cell: Cell, spread: Spread | None) -> tuple[dict[str, Any] | None, str]:
        began = time.perf_counter()
        about = dict(cell.words)
        try:
            about["model_file"] = self.open_models(cell.words["protocol"]).name(cell.recipe)
            result = self._measure(cell, spread or partial(self._keep_parts, cell))
        except Exception as error:
            if _no_room(error):
                raise
            self.store.put_failure(cell.digest, _line(error), traceback.format_exc(), about)
            return None, _line(error)
        self.store.put(cell.digest, result, {**about, "seconds": round(time.perf_counter() - began, 2)})
        for begin, _ in spans(cell.parameters.get("images", 0)):
            self.store.drop(_part_name(cell, begin))
        return result, ""

    def _measure(self, cell: Cell, spread: Spread) -> dict[str, Any]:
        result = MEASURES.load(cell.measure)(
            cell.parameters,
            self._subject(cell, spread),
            lambda done, total: self.on_step(_title(cell), done, total),
        )
        # What is stored is what a later run reads back, so that both write the same tables.
        stored: dict[str, Any] = json.loads(json.dumps(plain(result)))
        return stored

    def _subject(self, cell: Cell, spread: Spread = in_turn) -> Subject:
        models = self.open_models(cell.words["protocol"])
        model, others = models.get(cell.recipe), tuple(models.get(recipe) for recipe in cell.others)
        history, precision = models.history(cell.recipe), self.job.machine.precision
        return Subject(model, models.dataset, history, others, spread, precision)

    def _keep_parts(self, cell: Cell, measure_part: MeasurePart, images: int) -> list[Any]:
        """Every part in turn, kept as soon as it is measured."""
        parts = spans(images)
        if len(parts) == 1:
            return [measure_part(*parts[0])]
        return [self._keep_part(cell, measure_part, begin, end) for begin, end in parts]

    def _keep_part(self, cell: Cell, measure_part: MeasurePart, begin: int, end: int) -> Any:
        name = _part_name(cell, begin)
        kept = self.store.get(name)
        if kept is None:
            kept = {"part": measure_part(begin, end)}
            self.store.put(name, kept, {**cell.words, "part": [begin, end]})
        return kept["part"]

    def _forget_models_of_others(self, cell: Cell) -> None:
        """Experiments share few models: those in memory make room when the next one begins."""
        if cell.words["experiment"] != self._experiment:
            self._experiment = cell.words["experiment"]
            for models in self.models.values():
                models.forget()

    def _notice(self, words: str) -> None:
        self._notices.append(words)


def _part_name(cell: Cell, begin: int) -> str:
    return f"{cell.digest}.part-{begin}"


def _title(cell: Cell) -> str:
    return f"{cell.words['experiment']} {cell.measure} {cell.recipe.model}"


def _line(error: Exception) -> str:
    words = " ".join(str(error).split())
    return words if isinstance(error, UserError) else f"{type(error).__name__}: {words}"


def _no_room(error: Exception) -> bool:
    return isinstance(error, OSError) and error.errno in NO_ROOM
