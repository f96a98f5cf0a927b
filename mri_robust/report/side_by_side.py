"""The study's numbers beside ours under either protocol, matched row by row from a tidy table alone."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from mri_robust.report.conditions import printed_row
from mri_robust.report.entry import Entry, entry_of
from mri_robust.study.recipe import comparable_weights

KEY = ["experiment", "model", "printed", "class", "metric"]
"""What names a number of the study."""


@dataclass(frozen=True)
class Comparison:
    """A number of the study and ours.

    Attributes:
        experiment, model: where it stands.
        printed: the study's row; the row's condition where the study's table has but one row.
        label: the class it is of; empty for overall numbers.
        metric: `accuracy`, `recall`, ...
        study: the study's number.
        paper, sound: ours under the two protocols; None where not measured.
        comparable: the study's model started from the same weights.
    """

    experiment: str
    model: str
    printed: str
    label: str
    metric: str
    study: float
    paper: Entry | None
    sound: Entry | None
    comparable: bool

    @property
    def difference(self) -> float | None:
        """Ours under `paper` less the study's."""
        return self.paper.value - self.study if self.paper else None


def compare(table: pd.DataFrame) -> list[Comparison]:
    """Every number of the study in a tidy table beside ours, in table order.

    Rows of a training curve (`epoch=`) and of parts of the test images do not count. Where one protocol has several
    conditions for the study's row, the first that carries the study's number stands for it, else the first.
    """
    table = table.fillna({"class": "", "condition": "", "weights": ""})  # as pandas reads a CSV by itself
    rows = table[(table["subset"] == "all") & ~table["condition"].str.contains(r"(?:^|;)epoch=")]
    rows = rows.assign(printed=[printed_row(condition) or condition for condition in rows["condition"]])
    rows = rows[rows.groupby(KEY)["paper"].transform("count") > 0]
    found = []
    for key, group in rows.groupby(KEY, sort=False):
        numbers = group["paper"].dropna()
        paper, sound = (_stand_in(group[group["protocol"] == protocol]) for protocol in ("paper", "sound"))
        study, comparable = float(numbers.iloc[0]), comparable_weights(str(group["weights"].iloc[0]))
        experiment, model, row, label, metric = map(str, key)
        found.append(Comparison(experiment, model, row, label, metric, study, paper, sound, comparable))
    return found


def _stand_in(rows: pd.DataFrame) -> Entry | None:
    """The entry of one protocol: of all its seeds, but of one condition."""
    if rows.empty:
        return None
    candidates = rows[rows["paper"].notna()] if rows["paper"].notna().any() else rows
    first = candidates.iloc[0]
    same = (rows["condition"] == first["condition"]) & (rows["attack"] == first["attack"])
    return entry_of(rows[same])
