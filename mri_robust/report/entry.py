"""One number of the report: a measured value with its interval, beside the study's."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from mri_robust.study.recipe import comparable_weights


@dataclass(frozen=True)
class Entry:
    """A measured value beside the study's.

    Attributes:
        value: mean over seeds.
        spread: standard deviation over seeds; None for one seed.
        low, high: 95 % interval, its mean over seeds; None for figures without one (F1, AUC).
        study: the study's number for this row and model, or None.
        comparable: the study's model started from the same weights.
    """

    value: float
    spread: float | None
    low: float | None
    high: float | None
    study: float | None
    comparable: bool


def entry_of(rows: pd.DataFrame) -> Entry | None:
    """The entry of one number's rows, a row a seed; None where none has a value."""
    rows = rows[rows["value"].notna()]
    if rows.empty:
        return None
    values, studied = rows["value"], rows["paper"].dropna()
    bounded = rows[["ci_low", "ci_high"]].notna().all(axis=None)
    return Entry(
        value=float(values.mean()),
        spread=float(values.std()) if len(values) > 1 else None,
        low=float(rows["ci_low"].mean()) if bounded else None,
        high=float(rows["ci_high"].mean()) if bounded else None,
        study=float(studied.iloc[0]) if len(studied) else None,
        comparable=comparable_weights(str(rows["weights"].iloc[0])),
    )


def measured_text(entry: Entry | None, digits: int = 3) -> str:
    """`0.912`, or `0.912 ± 0.010` over several seeds; a dash where nothing was measured."""
    if entry is None:
        return "–"
    return f"{entry.value:.{digits}f}" + (f" ± {entry.spread:.{digits}f}" if entry.spread is not None else "")


def interval_text(entry: Entry | None, digits: int = 3) -> str:
    """`0.912 [0.897, 0.927]`: measured, with its 95 % interval where it has one."""
    interval = f" [{entry.low:.{digits}f}, {entry.high:.{digits}f}]" if entry and entry.low is not None else ""
    return measured_text(entry, digits) + interval


def study_text(study: float, comparable: bool) -> str:
    """The study's number as it prints it; in brackets where it is not comparable."""
    return f"{study:.2f}" if comparable else f"({study:.2f})"


def entry_text(entry: Entry | None, digits: int = 3) -> str:
    """`measured · study`; the study's number in brackets where it is not comparable."""
    if entry is None or entry.study is None:
        return measured_text(entry, digits)
    return f"{measured_text(entry, digits)} · {study_text(entry.study, entry.comparable)}"


def difference_text(difference: float | None) -> str:
    """A pixel difference; `not a number` where an engine gave one."""
    return "not a number" if difference is None else f"{difference:.1e}"
