"""One table or figure of the study, declared: which cells it needs and how it is laid out."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from mri_robust.core.registry import Registry
from mri_robust.study.cell import Cell
from mri_robust.study.setting import Setting

EXPERIMENTS = Registry(
    "mri_robust.experiments", attribute="EXPERIMENT", kind="experiment", group="mri_robust.experiments"
)


@dataclass(frozen=True)
class Experiment:
    """A table of the study.

    Attributes:
        name: its name on the command line and of its CSV.
        title: one line.
        reference: where the study has it.
        columns: model ids in the study's order.
        headers: the study's row headers.
        paper: (printed row, model) -> the study's number; a printed row is the row's figures joined by `/`, or
            `accuracy` and `<class>/<metric>` where the study prints a report of classes.
        faults: names of the faults that separate the protocols here.
        cells: setting -> cells.
        layout: `epsilon` (a row an attack, a column a model), `classes` (precision, recall and F1 of each class) or
            `conditions` (a row a model and condition).
        threats: names of the threats in `study/threat.py` that it tests.
        beyond: it is no table of the study, and is run by its name or with `--all`.
    """

    name: str
    title: str
    reference: str
    columns: tuple[str, ...]
    headers: tuple[str, ...]
    paper: dict[tuple[str, str], float]
    faults: tuple[str, ...]
    cells: Callable[[Setting], list[Cell]] = field(repr=False)
    layout: str = "epsilon"
    threats: tuple[str, ...] = ()
    beyond: bool = False

    @property
    def aliases(self) -> tuple[str, ...]:
        """The study's names for it, out of the reference: `table3`, `figure3`."""
        return tuple("".join(found).lower() for found in re.findall(r"(Table|Figure) (\d+)", self.reference))


def all_experiments(*, beyond: bool = False) -> list[Experiment]:
    """The study's experiments, in the order of its sections; with `beyond` also those that it lacks, after them."""
    found: list[Experiment] = [EXPERIMENTS.load(name) for name in EXPERIMENTS.names()]
    ordered = sorted(found, key=lambda experiment: (experiment.beyond, experiment.reference))
    return [experiment for experiment in ordered if beyond or not experiment.beyond]


def load_experiment(name: str) -> Experiment:
    """The experiment called `name`, or one of whose aliases it is (`table3`).

    Raises:
        UserError: there is none; the nearest name is offered.
    """
    if name not in EXPERIMENTS:
        for experiment in all_experiments():
            if name in experiment.aliases:
                return experiment
    loaded: Experiment = EXPERIMENTS.load(name)
    return loaded
