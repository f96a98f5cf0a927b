"""One experiment of the page: beside the study, under each protocol, and what separates the two."""

from __future__ import annotations

from dataclasses import dataclass

from mri_robust.report.distance import Closeness, closeness, distances
from mri_robust.report.figures.images import pictured
from mri_robust.report.html.chart import Chart, accuracy_chart
from mri_robust.report.html.pictures import Picture, embedded_figures
from mri_robust.report.html.tables import Table, comparison_table, paired_table, protocol_tables
from mri_robust.report.results import Results, View
from mri_robust.report.section import place_of
from mri_robust.report.side_by_side import compare
from mri_robust.study.experiment import Experiment
from mri_robust.study.protocol import FAULTS
from mri_robust.study.recipe import comparable_weights


@dataclass(frozen=True)
class Protocol:
    """What was measured under one protocol."""

    name: str
    chart: Chart | None
    tables: list[Table]
    pictures: list[Picture]


@dataclass(frozen=True)
class Part:
    """One experiment.

    Attributes:
        experiment: which.
        comparison: the study's numbers beside ours; None where it printed none.
        closeness: how close protocol `paper` comes to them; `distance` says it in words, empty where it was not run.
        faults: (name, what went wrong) of what separates the protocols.
        comparable: whether all models started from the same weights as the study's.
        protocols: what was measured.
    """

    experiment: Experiment
    comparison: Table | None
    closeness: Closeness
    faults: list[tuple[str, str]]
    comparable: bool
    protocols: list[Protocol]

    @property
    def distance(self) -> str:
        """How close, in words."""
        furthest = self.closeness.furthest
        if furthest is None:
            return ""
        return (
            f"Protocol paper against the study: mean distance {self.closeness.mean:.3f} over {self.closeness.compared} "
            f"numbers, largest {furthest['distance']:.3f} ({place_of(furthest, self.experiment)}: "
            f"{furthest['study']:.2f} in the study, {furthest['ours']:.3f} here)."
        )


def experiment_part(results: Results, experiment: Experiment) -> Part:
    """Everything the page says of one experiment."""
    table = results.tables[experiment.name]
    return Part(
        experiment,
        comparison_table(compare(table), experiment),
        closeness(distances(table)),
        [(name, FAULTS[name]) for name in experiment.faults],
        all(comparable_weights(weights) for weights in table["weights"].unique()),
        [_protocol(results, view) for view in results.views(experiment)],
    )


def _protocol(results: Results, view: View) -> Protocol:
    """Figures that the page draws itself, as a chart or a gallery, are not embedded again."""
    chart, paired = accuracy_chart(view), paired_table(results.folder, view.experiment.name, view.protocol)
    drawn = ["accuracy"] if chart else []
    drawn += ["images"] if any(pictured(cell["result"]) for cell in view.cells) else []
    return Protocol(
        view.protocol,
        chart,
        [*protocol_tables(view.table, view.experiment), *([paired] if paired else [])],
        embedded_figures(results.folder, view, without=tuple(drawn)),
    )
