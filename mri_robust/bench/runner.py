"""One run: make what is missing, write each table when it is done, then comparisons, checks and provenance."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd
import torch
from torch import nn

from mri_robust.bench.executors import EXECUTORS
from mri_robust.bench.trainer import Trainer
from mri_robust.bench.worker import ExecutorOptions, Outcome, Task, Worker
from mri_robust.core.errors import UserError
from mri_robust.core.machine import describe_machine
from mri_robust.core.packages import installed_version
from mri_robust.core.progress import OnStep, silent
from mri_robust.core.validation import to_unit_range
from mri_robust.data.audit import leaked_test_images
from mri_robust.data.dataset import Dataset
from mri_robust.evaluation.crosscheck import Certificate, crosscheck
from mri_robust.evaluation.rows import Row, choose_images, tidy
from mri_robust.evaluation.sanity import SanityChecks
from mri_robust.evaluation.statistics import compare_models
from mri_robust.study.config import Config
from mri_robust.study.experiment import Experiment
from mri_robust.study.recipe import Model, Recipe
from mri_robust.study.results_folder import Result, ResultsFolder
from mri_robust.study.zoo import cnn_clean

PACKAGES = (
    *("mri-robust", "torch", "torchvision", "adversarial-robustness-toolbox", "torchattacks"),
    *("numpy", "pandas", "scikit-learn"),
)
NUMBERS = ("value", "ci_low", "ci_high", "n", "paper")  # columns that are no factor
RUN_IMAGES = 32  # test images that a run cross-checks; `mri-robust crosscheck` takes all
NO_IMAGENET = (
    "ImageNet weights were not found, so ResNets start from random weights and their rows carry weights=none; put them "
    "into a folder and give it as --weights-dir, or use --weights imagenet to download them"
)


class Run:
    """Experiments under one or more configurations, into one folder; sanity checks come after all other tasks."""

    def __init__(
        self,
        experiments: Sequence[Experiment],  # in the order of the report
        configs: Sequence[Config],  # one per protocol and seed, not yet told of their data
        folder: ResultsFolder,
        *,
        opened: dict[str, nn.Module] | None = None,  # as is `on_step`, that of `Trainer`
        on_step: OnStep = silent,
        executor: ExecutorOptions | None = None,  # who runs the tasks, this process when None
        not_run: Sequence[str] = (),  # what was not asked for, `sanity checks` or `cross-check`
    ) -> None:
        self.experiments, self.folder, self.not_run = list(experiments), folder, list(not_run)
        self.executor = executor or ExecutorOptions()
        self.worker = Worker(folder, opened=opened, on_step=on_step)
        self.configs = [config.on(self.worker.trainer(config).dataset) for config in configs]
        asked = [(experiment, config) for experiment in self.experiments for config in self.configs]
        tasks = [
            Task(experiment.name, config, *task) for experiment, config in asked for task in experiment.tasks(config)
        ]
        checks = [] if "sanity checks" in self.not_run else filter(_is_check, tasks)
        self.tasks = [*(task for task in tasks if not _is_check(task)), *checks]
        self.outcomes: list[Outcome | None] = [None] * len(self.tasks)

    def run(
        self,
        on_table: Callable[[Experiment, pd.DataFrame], None] = silent,
        on_compared: Callable[[], None] = silent,
    ) -> None:
        """Run every task; each experiment's table is written, and handed to `on_table`, when its numbers are there.

        After the last table models are compared. A task that fails leaves its rows out, and the others go on; see
        `failures`. UserError where nothing could be measured, OSError where nothing more can be written.
        """
        left = Counter(task.experiment for task in self.tasks if not _is_check(task))
        for place, outcome in EXECUTORS[self.executor.name](self.worker, self.tasks, self.executor):
            self.outcomes[place] = outcome
            if _is_check(self.tasks[place]):
                continue
            name = self.tasks[place].experiment
            left[name] -= 1
            if not left[name]:
                [experiment] = [each for each in self.experiments if each.name == name]
                table = tidy(self.rows(experiment))
                self.folder.write_table(name, table)
                on_table(experiment, table)
            if not left.total():
                self._compare()
                on_compared()

    def _compare(self) -> None:
        """Write how models compare, and each image's minimal epsilon; UserError where nothing could be measured."""
        if self.failures() and all(_is_check(task) for task, _ in self._results()):
            raise UserError(f"nothing could be measured: {self.failures()[0]}")
        everything = [row for experiment in self.experiments for row in self.rows(experiment)]
        models = [name for experiment in self.experiments for name in experiment.models]
        test = self.worker.trainer(self.configs[0]).dataset.test
        paired = compare_models(everything, models, lambda images: test.whose(choose_images(len(test), images)))
        self.folder.write_table("comparisons", paired)
        images: dict[str, pd.DataFrame] = {}  # minimal epsilons, where the worst case was asked for
        for task, result in self._results():
            if found := result["artefacts"].get("minimal_epsilon"):
                columns = {"file": found["files"], "class": found["labels"], "minimal_epsilon": found["epsilon"]}
                columns |= {"norm": task.config.scale.norm, "region": found["region"]}
                columns |= {name: task.labels[name] for name in ("protocol", "seed", "model")}
                images[self.worker.name(task)] = pd.DataFrame(columns)
        if images:
            self.folder.write_table("images", pd.concat(images.values()))

    def _results(self) -> Iterator[tuple[Task, Result]]:
        """The tasks that have a result by now, with it, in table order."""
        for task, outcome in zip(self.tasks, self.outcomes, strict=True):
            if outcome is not None and outcome.result is not None:
                yield task, outcome.result

    def rows(self, experiment: Experiment) -> list[Row]:
        """The rows of an experiment in table order, each with all its columns and the study's number beside it."""
        rows: list[Row] = []
        for task, result in self._results():
            if task.experiment == experiment.name:
                numbers = _published(experiment.published(task.config))
                rows += [{**task.labels, **row, **numbers(task.labels | row)} for row in result["rows"]]
        return rows

    def failures(self) -> list[str]:
        """Why tasks failed, in one line each."""
        return [outcome.error for outcome in self.outcomes if outcome is not None and outcome.result is None]

    def notices(self) -> list[str]:
        """What was found damaged, and made again."""
        return [notice for outcome in self.outcomes if outcome is not None for notice in outcome.notices]

    def findings(self) -> list[dict[str, Any]]:
        """What the sanity checks say, with the model that they say it of; once, where several tests have the checks."""
        found: dict[Any, dict[str, Any]] = {}
        for task, result in self._results():
            named = {name: task.labels[name] for name in ("protocol", "seed", "model")}
            for finding in result["artefacts"].get("findings", ()):
                found.setdefault((*named.values(), finding["check"]), {**named, **finding})
        return list(found.values())

    def warnings(self) -> list[str]:
        """What a reader must know: first weights, overfitting to an attack, sanity checks, what was left out."""
        recipes = {task.model: task.config for task in self.tasks if isinstance(task.model, Recipe)}
        further = (each for task in self.tasks for each in task.evaluation.further_models())
        random = any(each.weights == "none" for each in (*recipes, *further)) and not self.configs[0].models
        found = [NO_IMAGENET] if random else []
        for recipe, config in recipes.items():
            last = (self.worker.trainer(config).history(recipe) or [{}])[-1] if recipe.adversary else {}
            if last.get("overfitted"):
                found.append(
                    f"{recipe.model} ({config.protocol}, seed {recipe.seed}) overfitted to its attack: "
                    f"{last['fgsm']:.2f} under FGSM, {last['pgd']:.2f} under PGD on 64 training images"
                )
        found += dict.fromkeys(note for _, result in self._results() for note in result["artefacts"].get("notes", ()))
        said = "{model} ({protocol}, seed {seed}), {check} check: {message}"
        return [*found, *(said.format(**finding) for finding in self.findings() if finding["tripped"])]

    def provenance(self, command: str, seconds: float, notes: Sequence[str] = ()) -> dict[str, Any]:
        """What `run.json` says: command, versions, machine, data, experiments, which evaluations, seconds, `notes`."""
        config = self.configs[0]
        finished = [outcome for outcome in self.outcomes if outcome is not None]
        read = {each.reads: each for each in self.configs}
        computed = sum(outcome.computed for outcome in finished)
        return {
            **{"command": command, "notes": list(notes), "not_run": self.not_run, "seconds": round(seconds, 1)},
            "versions": {name: installed_version(name) for name in PACKAGES},
            "machine": {**config.environment, **describe_machine(torch.device(config.device))},
            "data": {channels: _described(self.worker.trainer(each).dataset) for channels, each in read.items()},
            "experiments": [each.description() for each in self.experiments],
            "protocols": list(dict.fromkeys(each.protocol for each in self.configs)),
            "seeds": list(dict.fromkeys(each.seed for each in self.configs)),
            **{"scale": config.scale.name, "cuts": config.scale.cuts(), "norm": config.scale.norm},
            **{"engine": config.engine, "executor": self.executor.name},
            "weights": ", ".join(f"{name} {weights}" for name, weights, _ in config.weights),
            "own_models": [model.model for model in config.models],
            "evaluations": [{"digest": self.worker.name(task), **task.labels} for task, _ in self._results()],
            **{"findings": self.findings(), "warnings": self.warnings(), "failed": self.failures()},
            **{"computed": computed, "reused": len(finished) - computed},
        }

    def summary(self) -> dict[str, Any]:
        """Every number that the run prints, as plain data: what `audit.json` holds."""
        tables = {each.name: self.folder.table(each.name) for each in self.experiments}
        several = len({config.seed for config in self.configs}) > 1
        return {
            "tables": {name: _records(table) for name, table in tables.items()},
            "over_seeds": {name: _records(over_seeds(table)) for name, table in tables.items()} if several else {},
            "comparisons": _records(self.folder.table("comparisons")),
            "findings": self.findings(),
            "not_run": self.not_run,
            **({} if "cross-check" in self.not_run else {"crosscheck": self.folder.json("crosscheck")}),
        }


def _is_check(task: Task) -> bool:
    """Whether a task asks if the numbers can be believed, and measures none itself."""
    return isinstance(task.evaluation, SanityChecks)


def _described(dataset: Dataset) -> dict[str, Any]:
    """What `run.json` says of a data set."""
    return {
        **{"name": dataset.name, "digest": dataset.digest, "classes": list(dataset.classes)},
        "without_tumour": [dataset.classes[place] for place in dataset.healthy],
        **{"train": len(dataset.train), "test": len(dataset.test), "skipped": dataset.skipped},
        "leaked": int(leaked_test_images(dataset).sum()),
        **({"intervals": dataset.intervals} if dataset.intervals else {}),
    }


def certify_run(
    trainer: Trainer, config: Config, images: int | None = RUN_IMAGES, *, with_deviations: bool = False
) -> Certificate:
    """Cross-check the attacks on each of the user's models, or on CNN_clean, and so many test images; None for all.

    For `with_deviations` see `crosscheck`.
    """
    models: tuple[Model, ...] = config.models or (cnn_clean(config),)
    dataset, test = trainer.dataset, trainer.dataset.test
    chosen = choose_images(len(test), images or len(test), seed=0)
    pixels, labels = to_unit_range(test.images[chosen]), torch.from_numpy(test.labels[chosen])
    how: dict[str, Any] = {"with_deviations": with_deviations, "on_step": trainer.on_step}
    found = [crosscheck(trainer.get(model), pixels, labels, **how) for model in models]
    rows = found[0].rows
    if len(models) > 1:
        pairs = zip(models, found, strict=True)
        rows = tuple({"model": model.model, **row} for model, certificate in pairs for row in certificate.rows)
    about = {"model": ", ".join(map(trainer.name, models)), "data": dataset.name, "data_digest": dataset.digest}
    return replace(found[0], rows=rows, about=about)


def over_seeds(table: pd.DataFrame) -> pd.DataFrame:
    """The mean over the seeds of each number of a tidy table and of its bounds, and `spread`, the deviation."""
    factors = [name for name in table if name not in ("seed", *NUMBERS)]
    grouped = table.groupby(factors, dropna=False, sort=False)
    found = grouped[["value", "ci_low", "ci_high"]].mean().assign(spread=grouped["value"].std())
    return found.reset_index()


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """A table's rows as plain data; what is missing is None."""
    return json.loads(table.to_json(orient="records", double_precision=15))


def _published(table: pd.DataFrame) -> Callable[[Row], dict[str, Any]]:
    """row -> `paper`, and `printed` where the table has it, of the published number that the row stands for."""
    values = [name for name in ("paper", "printed") if name in table]
    keys = [name for name in table.columns if name not in values]

    def key(row: Mapping[Any, Any]) -> tuple[Any, ...]:
        found = [row.get(name) for name in keys]
        return tuple(None if value != value else value for value in found)  # a table says NaN where nothing stands

    numbers = {key(line): {name: line[name] for name in values} for line in table.to_dict("records")}
    return lambda row: numbers.get(key(row), {}) if keys and row["subset"] == "all" else {}
