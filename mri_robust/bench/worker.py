"""What one process of a run does: train or open models, run evaluations, and keep both in the run's folder."""

from __future__ import annotations

import errno
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from mri_robust.attacks.evasion.epsilon_sweep import BATCH
from mri_robust.bench.trainer import Trainer
from mri_robust.core.errors import UserError
from mri_robust.core.hashing import digest
from mri_robust.core.progress import OnStep, silent
from mri_robust.data.dataset import Dataset, load_dataset, with_tumours
from mri_robust.evaluation.evaluation import CODE_VERSION, Context, Evaluation, measure
from mri_robust.study.config import Config
from mri_robust.study.recipe import Model, Recipe
from mri_robust.study.results_folder import Result, ResultsFolder

PART_IMAGES = 1024
"""Images of up to 56 pixels measured in one piece: whole batches, so that the pieces do not change a number."""
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES)
"""Errors of the disk: no evaluation's failure, and every other one would meet them too."""


@dataclass(frozen=True)
class ExecutorOptions:
    """Where to run.

    Attributes:
        name: `local` or `ray`.
        address: of a Ray cluster to join; None starts one on this machine.
        gpu_share: of one GPU, for each task, where tasks compute on one.
    """

    name: str = "local"
    address: str | None = None
    gpu_share: float = 1.0


@dataclass(frozen=True)
class Task:
    """One evaluation of one model, in one experiment under one configuration."""

    experiment: str
    config: Config
    model: Model
    evaluation: Evaluation

    @property
    def labels(self) -> dict[str, Any]:
        """The columns that all its rows share."""
        config = self.config
        return {
            "experiment": self.experiment,
            "protocol": config.protocol,
            "dataset": config.dataset,
            "scale": config.scale.name,
            "seed": config.seed,
            "model": self.model.model,
            "weights": self.model.weights.rsplit("/", 1)[-1],
            "engine": config.engine,
            **dict(self.model.factors),
        }

    @property
    def title(self) -> str:
        """What progress calls it."""
        span = getattr(self.evaluation, "span", None)
        part = f", images {span[0] + 1} to {span[1]}" if span else ""
        return f"{self.experiment}: {type(self.evaluation).__name__} {self.model.model}{part}"

    def part(self, evaluation: Evaluation) -> Task:
        """The same question to a part of the images."""
        return Task(self.experiment, self.config, self.model, evaluation)


Spread = Callable[[Task, Sequence[Task]], list[Result]]
"""(the whole, its parts) -> the parts' results in order: in this process, or by workers beside each other."""


@dataclass(frozen=True)
class Outcome:
    """What became of a task.

    Attributes:
        result: its rows and artefacts; None where it failed.
        error: why it failed, in one line.
        computed: whether it was measured now, not read.
        notices: what was found damaged on the way.
    """

    result: Result | None
    error: str = ""
    computed: bool = True
    notices: tuple[str, ...] = ()


class Worker:
    """Runs tasks.

    Args:
        folder: the folder of everything made, which all processes share.
        opened: the user's own models that are in memory, by id.
        on_step: called as (what is going on, done, total).
    """

    def __init__(
        self, folder: ResultsFolder, *, opened: dict[str, nn.Module] | None = None, on_step: OnStep = silent
    ) -> None:
        self.folder, self.on_step = folder, on_step
        self._opened = opened or {}
        self._trainers: dict[tuple[Any, ...], Trainer] = {}
        self._experiment = ""

    def trainer(self, config: Config) -> Trainer:
        """The models of a configuration's data set, which is loaded on the way.

        Raises:
            UserError: the data cannot be read.
        """
        torch.set_num_threads(config.threads)
        key = (config.data, config.reads, config.scale.image_size, *config.environment.values())
        if key not in self._trainers:
            self.on_step("load data", 0, 1)
            self._trainers[key] = Trainer(
                self.folder, load_data(config), config, opened=self._opened, on_step=self.on_step
            )
        return self._trainers[key]

    def name(self, task: Task) -> str:
        """The digest of everything that decides a task's rows."""
        trainer = self.trainer(task.config)
        further = [trainer.name(model) for model in task.evaluation.further_models()]
        who = [trainer.name(task.model), *further, sorted(trainer.dataset.tumour_classes)]
        return digest([who, repr(task.evaluation), trainer.dataset.digest, task.config.environment, CODE_VERSION])

    def run(self, task: Task, spread: Spread | None = None) -> Outcome:
        """The result of a task: out of the store, or measured now and stored; a failure is kept as a failure.

        Args:
            task: what to measure.
            spread: who measures its parts; this process, one after the other, when None.

        Raises:
            OSError: nothing can be written.
        """
        self._forget_models_of_others(task)
        name = self.name(task)
        found, error, computed = self.folder.get(name), "", False
        if found is None:
            with self.folder.hold(name, lambda: self.on_step(f"wait for {task.title}", 0, 1)):
                found = self.folder.get(name)
                if found is None:
                    computed = True
                    found, error = self._try(name, task, spread or self._in_turn)
        notices, self.folder.notices = tuple(self.folder.notices), []
        return Outcome(found, error, computed, notices)

    def fail(self, task: Task, error: str) -> Outcome:
        """Keep that a task has no result, because what it rests on failed."""
        self.folder.put_failure(self.name(task), error, "", task.labels)
        return Outcome(None, error)

    def train(self, recipe: Recipe, config: Config) -> str:
        """Train a model if it is not there yet; returns why it failed, in one line, or an empty text."""
        try:
            self.trainer(config).get(recipe)
        except Exception as error:
            if _no_room(error):
                raise
            return _line(error)
        return ""

    def run_part(self, task: Task) -> Result:
        """What a part gives, measured here or read."""
        name = self.name(task)
        kept = self.folder.get(name)
        return kept or self.folder.put(name, measure(task.evaluation, self._context(task)), task.labels)

    def _in_turn(self, task: Task, parts: Sequence[Task]) -> list[Result]:
        return [self.run_part(part) for part in parts]

    def _try(self, name: str, task: Task, spread: Spread) -> tuple[Result | None, str]:
        began = time.perf_counter()
        about = task.labels
        try:
            trainer = self.trainer(task.config)
            about["model_file"] = trainer.name(task.model)
            context = self._context(task)
            size = part_images(trainer.dataset.size)
            parts = [task.part(each) for each in task.evaluation.split(size, trainer.dataset)]
            result = measure(task.evaluation, context, spread(task, parts) if parts else ())
        except Exception as error:
            if _no_room(error):
                raise
            self.folder.put_failure(name, _line(error), traceback.format_exc(), about)
            return None, _line(error)
        stored = self.folder.put(name, result, {**about, "seconds": round(time.perf_counter() - began, 2)})
        for part in parts:
            self.folder.drop(self.name(part))
        return stored, ""

    def _context(self, task: Task) -> Context:
        trainer = self.trainer(task.config)
        return Context(
            model=trainer.get(task.model),
            dataset=trainer.dataset,
            asked=task.model,
            history=trainer.history(task.model),
            open_model=trainer.get,
            precision=task.config.precision,
            on_step=lambda done, total: self.on_step(task.title, done, total),
        )

    def _forget_models_of_others(self, task: Task) -> None:
        """Experiments share few models: those in memory make room when the next one begins."""
        if task.experiment != self._experiment:
            self._experiment = task.experiment
            for trainer in self._trainers.values():
                trainer.forget()


def part_images(side: int) -> int:
    """How many images of `side` pixels are measured in one piece: a piece takes about as long at any size."""
    return min(PART_IMAGES, max(BATCH, PART_IMAGES * 56**2 // side**2 // BATCH * BATCH))


def load_data(config: Config) -> Dataset:
    """The data set of a configuration, read at its size and in its channels.

    Raises:
        UserError: it cannot be read, or a tumour class is none of its classes.
    """
    dataset = load_dataset(
        config.data,
        size=config.scale.image_size,
        channels=config.reads,
        skip_unreadable=config.skip_unreadable,
    )
    return with_tumours(dataset, config.tumour_classes)


def _line(error: Exception) -> str:
    words = " ".join(str(error).split())
    return words if isinstance(error, UserError) else f"{type(error).__name__}: {words}"


def _no_room(error: Exception) -> bool:
    return isinstance(error, OSError) and error.errno in NO_ROOM
