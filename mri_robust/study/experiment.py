"""One table or figure, declared: which evaluations of which models it needs, and how it is laid out."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from mri_robust.core.registry import Registry
from mri_robust.study.config import Config
from mri_robust.study.protocol import FAULTS
from mri_robust.study.recipe import Model
from mri_robust.study.threats import THREATS

EXPERIMENTS = Registry(
    "mri_robust.experiments", attribute="EXPERIMENT", kind="experiment", group="mri_robust.experiments"
)
METRICS = ("precision", "recall", "f1")
"""What the study prints of each class."""

Tasks = list[tuple[Model, Any]]
"""(model, Evaluation) pairs, in table order."""


@dataclass(frozen=True)
class Experiment:
    """A table of the study, or one beyond it.

    `published` gives the study's numbers: column `paper`, beside the columns that say which row each belongs to, named
    as the rows' own; `printed`, where it is there, is how the study prints the row.
    """

    name: str  # on the command line and of its CSV
    title: str  # one line
    tasks: Callable[[Config], Tasks] = field(repr=False)  # what to measure on which models
    row_key: tuple[str, ...]  # the columns that name a row of its table, beside the model
    reference: str = "beyond the study"  # or where the study has it
    columns: str = "metric"  # what its columns are: `metric`, `model`, or a column of `row_key`, a table per metric
    models: tuple[str, ...] = ()  # model ids in the study's order
    published: Callable[[Config], pd.DataFrame] = field(default=lambda _: pd.DataFrame({"paper": []}), repr=False)
    faults: tuple[str, ...] = ()  # names of the faults that separate the protocols here
    threats: tuple[str, ...] = ()  # names of the threats in `study/threats.py` that it tests
    finished: bool = False  # it asks a finished model, so that `audit` can ask a user's own
    needs_training: bool = False  # it takes training images, also where the model is finished

    @property
    def beyond(self) -> bool:
        """Whether it is no table of the study, and is run by its name or with `--all`."""
        return self.reference == "beyond the study"

    @property
    def aliases(self) -> tuple[str, ...]:
        """The study's names for it, out of the reference: `table3`, `figure3`."""
        return tuple("".join(found).lower() for found in re.findall(r"(Table|Figure) (\d+)", self.reference))

    def description(self) -> dict[str, Any]:
        """What a report has to know of it, as plain data."""
        fields = ("name", "title", "reference", "columns", "beyond")
        return {name: getattr(self, name) for name in fields} | {
            "row_key": list(self.row_key),
            "models": list(self.models),
            "faults": {name: FAULTS[name] for name in self.faults},
            "threats": [{"name": name, **vars(THREATS[name])} for name in self.threats],
        }


def all_experiments(*, beyond: bool = False) -> list[Experiment]:
    """The study's experiments, attacks on finished models first; with `beyond` also those that it lacks, after them."""
    found: list[Experiment] = [EXPERIMENTS.load(name) for name in EXPERIMENTS.names()]
    chosen = [experiment for experiment in found if beyond or not experiment.beyond]
    return sorted(chosen, key=lambda each: (each.beyond, not each.finished, each.reference))


def load_experiment(name: str) -> Experiment:
    """The experiment called `name`, or one of whose aliases it is (`table3`); UserError with the nearest for none."""
    if name not in EXPERIMENTS:
        for experiment in all_experiments():
            if name in experiment.aliases:
                return experiment
    loaded: Experiment = EXPERIMENTS.load(name)
    return loaded


def class_table(accuracy: float, classes: Mapping[str, tuple[float, float, float]], **labels: Any) -> pd.DataFrame:
    """A report of classes as the study prints it, as published numbers.

    `classes` are class -> (precision, recall, F1), `labels` the columns that say which rows it belongs to (`model=`,
    `test=`, ...).
    """
    rows = [{"class": "", "metric": "accuracy", "paper": accuracy}]
    rows += [
        {"class": name, "metric": metric, "paper": value}
        for name, values in classes.items()
        for metric, value in zip(METRICS, values, strict=True)
    ]
    return pd.DataFrame([{**labels, **row} for row in rows])
