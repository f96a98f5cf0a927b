"""How far our numbers under the `paper` protocol lie from the study's."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from mri_robust.report.side_by_side import KEY, compare

COLUMNS = (*KEY, "study", "ours", "distance", "comparable")


def distances(table: pd.DataFrame) -> pd.DataFrame:
    """The distance of every number of the study in a tidy table, a row each, in table order.

    Args:
        table: rows of one experiment or of several, with the columns of `bench.tables.COLUMNS`.

    Returns:
        Columns `COLUMNS`: `ours` is the mean over seeds under `paper` and `distance` is |ours - study|, both missing
        where the row was not measured under `paper`; `comparable` is False where a ResNet of ours did not start
        from ImageNet's weights as the study's did.
    """
    rows = [
        {
            **dict(zip(KEY, (each.experiment, each.model, each.printed, each.label, each.metric), strict=True)),
            "study": each.study,
            "ours": each.paper.value if each.paper else None,
            "distance": each.difference,
            "comparable": each.comparable,
        }
        for each in compare(table)
    ]
    numbers = dict.fromkeys(("study", "ours", "distance"), "float64")
    found = pd.DataFrame(rows, columns=list(COLUMNS)).astype({**numbers, "comparable": "bool"})
    return found.assign(distance=found["distance"].abs())


@dataclass(frozen=True)
class Closeness:
    """How close a set of numbers comes to the study's.

    Attributes:
        printed: numbers of the study.
        compared: those measured under `paper`, by models that started from the study's own weights.
        mean: their mean distance; None when there are none.
        furthest: the row of `distances` that is furthest off, the first of equals; None when there is none.
    """

    printed: int
    compared: int
    mean: float | None
    furthest: pd.Series | None


def closeness(found: pd.DataFrame) -> Closeness:
    """Sum up rows of `distances`."""
    counted = found[found["comparable"] & found["distance"].notna()]
    if counted.empty:
        return Closeness(len(found), 0, None, None)
    furthest = counted.iloc[int(counted["distance"].argmax())]
    return Closeness(len(found), len(counted), float(counted["distance"].mean()), furthest)
