"""Is one model better than another? Every pair of models under the same attack, image by image."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from mri_robust.evaluation.significance import mcnemar, paired_bootstrap
from mri_robust.study.cell import Cell

COLUMNS = (
    *("experiment", "protocol", "attack", "epsilon", "alpha", "steps", "condition", "model", "other"),
    *("difference", "ci_low", "ci_high", "p_bootstrap", "only_model", "only_other", "p_mcnemar", "seeds", "n"),
)
"""What was asked, and how much more accurate `model` is than `other`."""
ASKED = COLUMNS[:7]

Outcomes = dict[tuple[Any, ...], dict[str, dict[int, np.ndarray]]]
"""What was asked -> model -> seed -> bool [N], whether the model is right on each image."""


def comparison_table(measured: Iterable[tuple[Cell, dict[str, Any]]]) -> pd.DataFrame:
    """One row a pair of models, attack and epsilon, over the seeds and images that both have.

    `difference` with its 95 % interval and `p_bootstrap` come from the paired bootstrap over images and seeds;
    `only_model`, `only_other` (images that just one gets right) and `p_mcnemar` from McNemar's exact test of the first
    seed, as it knows of no training luck. Cells that keep no verdicts by image give no rows.
    """
    rows = []
    for asked, models in _outcomes(measured).items():
        for (model, ours), (other, theirs) in combinations(models.items(), 2):
            seeds = [seed for seed in ours if seed in theirs and len(ours[seed]) == len(theirs[seed])]
            if seeds:
                found = _compare([ours[seed] for seed in seeds], [theirs[seed] for seed in seeds])
                rows.append({**dict(zip(ASKED, asked, strict=True)), "model": model, "other": other, **found})
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype({"steps": "Int64", "n": "Int64"})


def _outcomes(measured: Iterable[tuple[Cell, dict[str, Any]]]) -> Outcomes:
    outcomes: Outcomes = {}
    for cell, result in measured:
        for line, right in zip(cell.lines, result.get("right", ()), strict=False):
            asked = tuple({**cell.words, **line}[column] for column in ASKED)
            by_seed = outcomes.setdefault(asked, {}).setdefault(cell.words["model"], {})
            by_seed[cell.words["seed"]] = np.array(list(right)) == "1"
    return outcomes


def _compare(ours: list[np.ndarray], theirs: list[np.ndarray]) -> dict[str, Any]:
    difference = paired_bootstrap(np.stack(ours), np.stack(theirs))
    test = mcnemar(ours[0], theirs[0])
    return {
        "difference": difference.mean,
        "ci_low": difference.low,
        "ci_high": difference.high,
        "p_bootstrap": difference.p_value,
        "only_model": test.b,
        "only_other": test.c,
        "p_mcnemar": test.p_value,
        "seeds": len(ours),
        "n": len(ours[0]),
    }
