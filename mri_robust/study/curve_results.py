"""What `mri-robust curve` finds, as plain data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd


@dataclass(frozen=True)
class CurveResults:
    """What a run of `curve` found.

    Attributes:
        table: one row a model and epsilon: `model`, `attack`, `epsilon`, `accuracy`, `ci_low`, `ci_high`, `spread`
            (over seeds, empty for one), `n`; where the data have classes with and without a tumour also
            `missed_tumour_rate`, `missed_ci_low`, `missed_ci_high`, `tumours` (see `Curve.table`).
        images: one row an image: `file`, `label`, and for each model its smallest fooling epsilon.
        comparisons: one row a pair of models and epsilon: `model`, `other`, `epsilon`, `difference`, its 95 % interval,
            McNemar's `p_value`; empty for one model.
        findings: model -> what the sanity checks say: `check`, `tripped`, `figure`, `message`.
        about: settings, data and versions, plain data.
    """

    table: pd.DataFrame
    images: pd.DataFrame
    comparisons: pd.DataFrame
    findings: dict[str, list[dict[str, Any]]]
    about: dict[str, Any]
