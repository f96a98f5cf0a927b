"""What one process of a run does: train or open models, run evaluations, and keep both in the run's folder."""

import errno
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
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
    """Where to run."""

    name: str = "local"  # or `ray`
    address: str | None = None  # of a Ray cluster to join; None starts one on this machine
    gpu_share: float = 1.0  # of one GPU, for each task, where tasks compute on one


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
        about: dict[str, Any] = {"experiment": self.experiment, "protocol": config.protocol, "dataset": config.dataset}
        about |= {"scale": config.scale.name, "seed": config.seed, "model": self.model.model}
        about |= {"weights": self.model.weights.rsplit("/", 1)[-1], "engine": config.engine}
        return {**about, **dict(self.model.factors)}

    @property
    def title(self) -> str:
        """What progress calls it."""
        span = getattr(self.evaluation, "span", None)
        part = f", images {span[0] + 1} to {span[1]}" if span else ""
        return f"{self.experiment}: {type(self.evaluation).__name__} {self.model.model}{part}"


Spread = Callable[[Sequence[Task]], list[Result]]
"""The parts of a task -> their results in order, measured by workers beside each other."""


@dataclass(frozen=True)
class Outcome:
    """What became of a task."""

    result: Result | None  # its rows and artefacts; None where it failed
    error: str = ""  # why it failed, in one line
    computed: bool = True  # whether it was measured now, not read
    notices: tuple[str, ...] = ()  # what was found damaged on the way


class Worker:
    """Runs tasks in a folder that all processes of a run share; other arguments as `Trainer`."""

    def __init__(
        self, folder: ResultsFolder, *, opened: dict[str, nn.Module] | None = None, on_step: OnStep = silent
    ) -> None:
        self.folder, self.on_step = folder, on_step
        self._opened = opened or {}
        self._trainers: dict[tuple[Any, ...], Trainer] = {}
        self._experiment = ""

    def trainer(self, config: Config) -> Trainer:
        """The models of a configuration's data set, which is loaded on the way; UserError if it cannot be read."""
        torch.set_num_threads(config.threads)
        key = (config.data, config.reads, config.scale.image_size, *config.environment.values())
        if key not in self._trainers:
            self.on_step("load data", 0, 1)
            data = load_data(config, need_training=not config.models)
            self._trainers[key] = Trainer(self.folder, data, config, opened=self._opened, on_step=self.on_step)
        return self._trainers[key]

    def name(self, task: Task) -> str:
        """The digest of everything that decides a task's rows."""
        trainer = self.trainer(task.config)
        further = [trainer.name(model) for model in task.evaluation.further_models()]
        data = trainer.dataset
        groups = [[data.train.patients, data.test.patients]] if data.test.patients else []  # they decide intervals
        who = [trainer.name(task.model), *further, sorted(data.tumour_classes), *groups]
        return digest([who, repr(task.evaluation), trainer.dataset.digest, task.config.environment, CODE_VERSION])

    def run(self, task: Task, spread: Spread | None = None) -> Outcome:
        """The result of a task: out of the store, or measured now and stored; a failure is kept as a failure. `spread`
        measures its parts, this process when None. OSError if nothing can be written."""
        if task.experiment != self._experiment:  # experiments share few models: the last one's make room
            self._experiment = task.experiment
            for trainer in self._trainers.values():
                trainer.forget()
        name = self.name(task)
        found, error, computed = self.folder.get(name), "", False
        if found is None:
            with self.folder.hold(name, lambda: self.on_step(f"wait for {task.title}", 0, 1)):
                if (found := self.folder.get(name)) is None:
                    (found, error), computed = self._try(name, task, spread), True
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
            return ""
        except Exception as error:
            return _reason(error)

    def run_part(self, task: Task) -> Result:
        """What a part gives, measured here or read."""
        name = self.name(task)
        kept = self.folder.get(name)
        return kept or self.folder.put(name, measure(task.evaluation, self._context(task)), task.labels)

    def _try(self, name: str, task: Task, spread: Spread | None) -> tuple[Result | None, str]:
        began = time.perf_counter()
        about = task.labels
        try:
            trainer = self.trainer(task.config)
            about["model_file"] = trainer.name(task.model)
            context = self._context(task)
            # A piece of a task takes about as long at any size.
            size = max(BATCH, PART_IMAGES * 56**2 // trainer.dataset.size**2 // BATCH * BATCH)
            divided = task.evaluation.split(min(PART_IMAGES, size), trainer.dataset)
            parts = [replace(task, evaluation=each) for each in divided]
            found = spread(parts) if spread and parts else map(self.run_part, parts)
            result = measure(task.evaluation, context, list(found))
        except Exception as error:
            self.folder.put_failure(name, _reason(error), traceback.format_exc(), about)
            return None, _reason(error)
        stored = self.folder.put(name, result, {**about, "seconds": round(time.perf_counter() - began, 2)})
        for part in parts:
            self.folder.drop(self.name(part))
        return stored, ""

    def _context(self, task: Task) -> Context:
        trainer = self.trainer(task.config)
        model = trainer.get(task.model)  # first, for a model has a history once it is trained
        about: dict[str, Any] = {"asked": task.model, "history": trainer.history(task.model)}
        about |= {"dataset": trainer.dataset, "open_model": trainer.get, "precision": task.config.precision}
        return Context(model=model, on_step=partial(self.on_step, task.title), **about)


def load_data(config: Config, *, need_training: bool) -> Dataset:
    """A configuration's data; UserError if they cannot be read, or lack a tumour class or training images needed."""
    size, skip = config.scale.image_size, config.skip_unreadable
    how: dict[str, Any] = {"split": config.split, "groups": config.groups, "need_training": need_training}
    dataset = load_dataset(config.data, size=size, channels=config.reads, skip_unreadable=skip, **how)
    return with_tumours(dataset, config.tumour_classes)


def _reason(error: Exception) -> str:
    """Why a task failed, in one line; an error of the disk is raised again."""
    if isinstance(error, OSError) and error.errno in NO_ROOM:
        raise error
    words = " ".join(str(error).split())
    return words if isinstance(error, UserError) else f"{type(error).__name__}: {words}"
