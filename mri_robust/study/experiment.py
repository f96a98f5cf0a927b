"""One table or figure of the study, declared: which cells it needs and how it is laid out."""

from __future__ import annotations

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
        alias: the study's name for it (`table3`).
        title: one line.
        reference: where the study has it.
        columns: model ids in the study's order.
        headers: the study's row headers.
        paper: (printed row, model) -> the study's number; a printed row is the row's figures joined by `/`.
        faults: names of the faults that separate the protocols here.
        cells: setting -> cells.
    """

    name: str
    alias: str
    title: str
    reference: str
    columns: tuple[str, ...]
    headers: tuple[str, ...]
    paper: dict[tuple[str, str], float]
    faults: tuple[str, ...]
    cells: Callable[[Setting], list[Cell]] = field(repr=False)


def load_experiment(name: str) -> Experiment:
    """The experiment called `name`, or whose alias it is (`table3`).

    Raises:
        UserError: there is none; the nearest name is offered.
    """
    if name not in EXPERIMENTS:
        for candidate in EXPERIMENTS.names():
            experiment: Experiment = EXPERIMENTS.load(candidate)
            if experiment.alias == name:
                return experiment
    loaded: Experiment = EXPERIMENTS.load(name)
    return loaded
