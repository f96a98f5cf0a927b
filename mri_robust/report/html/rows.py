"""Picking numbers for the verdicts out of a run's tidy tables."""

from __future__ import annotations

import pandas as pd

from mri_robust.report.entry import Entry, entry_of
from mri_robust.report.results import Results
from mri_robust.study.experiment import Experiment


def of_threats(results: Results, *threats: str) -> list[Experiment]:
    """The experiments of the run that test exactly these threats."""
    return [experiment for experiment in results.experiments if experiment.threats == threats]


def rows_of(results: Results, experiment: Experiment, protocol: str = "sound") -> pd.DataFrame:
    """The rows of one protocol on all test images."""
    table = results.tables[experiment.name]
    return table[(table["protocol"] == protocol) & (table["subset"] == "all")]


def entry_at(rows: pd.DataFrame, metric: str, *, label: str = "", within: str = "", **columns: str) -> Entry | None:
    """One metric of one class (`label`; empty for overall), of the first condition that fits; None where there is none.

    Args:
        rows: of one protocol.
        metric, label: which number.
        within: what the condition has in it.
        columns: what other columns say.
    """
    chosen = rows[(rows["metric"] == metric) & (rows["class"] == label)]
    for column, value in columns.items():
        chosen = chosen[chosen[column] == value]
    chosen = chosen[chosen["condition"].str.contains(within, regex=False)]
    return entry_of(chosen[chosen["condition"] == chosen["condition"].iloc[0]]) if len(chosen) else None


def entries_by(rows: pd.DataFrame, metric: str) -> dict[tuple[str, str], Entry]:
    """(model, condition) -> an overall metric, in table order."""
    chosen = rows[(rows["metric"] == metric) & (rows["class"] == "")]
    return {
        (str(model), str(condition)): entry
        for (model, condition), group in chosen.groupby(["model", "condition"], sort=False)
        if (entry := entry_of(group))
    }
