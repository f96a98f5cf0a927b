"""A tidy table's numbers under one name each, as trackers and plots of other tools want them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pandas as pd

from mri_robust.report.conditions import epoch_of, without

LONGEST = 240
"""Characters of a name; MLflow takes 250."""


@dataclass(frozen=True)
class NamedNumber:
    """One number of a table.

    Attributes:
        name: `fgsm/sound/cnn_clean/accuracy/eps_4_255`: experiment, protocol, model, metric, and what else tells it
            apart, of letters, digits and `_-./`; unique within its table but for the step.
        step: the epoch of a training curve, 0 for other numbers.
        value: the number, as the table has it.
    """

    name: str
    step: int
    value: float


def named_numbers(table: pd.DataFrame) -> list[NamedNumber]:
    """Every number of a tidy table, in its order; rows without a value are left out."""
    seeds = table["seed"].nunique()
    numbers: dict[tuple[str, int], float] = {}
    for row in table[table["value"].notna()].to_dict("records"):
        parts = [row["experiment"], row["protocol"], row["model"], row["metric"], "_".join(_details(row, seeds > 1))]
        whole = "/".join(re.sub(r"[^\w.-]", "_", part) for part in parts)[:LONGEST]
        name, step, again = whole, epoch_of(row["condition"]) or 0, 1
        while (name, step) in numbers:  # two names of classes may differ in a sign alone that no name can hold
            again += 1
            name = f"{whole}_{again}"
        numbers[name, step] = float(row["value"])
    return [NamedNumber(name, step, value) for (name, step), value in numbers.items()]


def _details(row: dict[Any, Any], several_seeds: bool) -> Iterator[str]:
    """What else tells a row's number from others of its model and metric."""
    if row["class"]:
        yield row["class"]
    if row["subset"] != "all":
        yield row["subset"]
    if row["attack"] == "none":
        yield "clean"
    else:
        yield from [row["attack"]] if row["attack"] != row["experiment"] else []
        yield from (f"{short}_{row[column] * 255:.6g}_255" for column, short in SIZES if pd.notna(row[column]))
        yield from [f"steps_{row['steps']}"] if row["steps"] else []
    condition = without(row["condition"], "epoch")
    yield from [condition] if condition else []
    yield from ["by_epoch"] if condition != row["condition"] else []
    yield from [f"seed_{row['seed']}"] if several_seeds else []


SIZES = {"epsilon": "eps", "alpha": "alpha"}.items()
"""Columns of sizes in pixels, and how a name calls them."""
