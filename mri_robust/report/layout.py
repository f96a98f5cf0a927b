"""The study's layout of a tidy table: a row an attack, a column a model."""

from __future__ import annotations

from dataclasses import dataclass, field

import pandas as pd

from mri_robust.study.experiment import Experiment
from mri_robust.study.recipe import comparable_weights

TITLES = {
    "cnn_clean": "CNN_clean",
    "cnn_fgsm": "CNN_FGSM",
    "cnn_pgd": "CNN_PGD",
    "resnet_clean": "ResNet_clean",
    "resnet_pgd": "ResNet_PGD",
    "ensemble": "Ensemble",
    "cnn_raw": "CNN_clean, raw inputs",
    "cnn_fgsm_scratch": "CNN_FGSM from scratch",
    "cnn_pgd_scratch": "CNN_PGD from scratch",
}


@dataclass(frozen=True)
class Entry:
    """A measured rate beside the study's.

    Attributes:
        value: mean over seeds.
        spread: standard deviation over seeds; None for one seed.
        low, high: 95 % interval; its mean over seeds.
        study: the study's number for this row and model, or None.
        comparable: the study's model started from the same weights.
    """

    value: float
    spread: float | None
    low: float
    high: float
    study: float | None
    comparable: bool


@dataclass(frozen=True)
class Line:
    """A row: its headers as text, its epsilon in pixels, and an entry a model."""

    heads: tuple[str, ...]
    epsilon: float
    worst_case: bool
    entries: dict[str, Entry] = field(default_factory=dict)


@dataclass(frozen=True)
class Grid:
    """A table as the study prints it."""

    headers: tuple[str, ...]
    models: tuple[str, ...]
    lines: tuple[Line, ...]


def arrange(table: pd.DataFrame, experiment: Experiment, *, metric: str = "accuracy", subset: str = "all") -> Grid:
    """Lay out the overall rows of one metric and subset of one protocol's tidy table.

    Models come in the study's order, then those the study lacks; rows in the order measured.
    """
    rows = table[(table["metric"] == metric) & (table["subset"] == subset) & (table["class"] == "")]
    present = list(dict.fromkeys(rows["model"]))
    models = [model for model in experiment.columns if model in present]
    models += [model for model in present if model not in models]
    keys = [_row_key(*record) for record in zip(rows["attack"], rows["epsilon"], rows["condition"], strict=True)]
    grouped = rows.assign(row_key=keys).groupby("row_key", sort=False)
    studied = experiment.paper if (metric, subset) == ("accuracy", "all") else {}
    lines = [_line(str(key), group, experiment.headers, studied) for key, group in grouped]
    return Grid(experiment.headers, tuple(models), tuple(lines))


def in_255ths(epsilon: float) -> str:
    """An epsilon in pixels as `4/255`, with at most two decimals."""
    return f"{f'{epsilon * 255:.2f}'.rstrip('0').rstrip('.')}/255"


def printed_row(condition: str) -> str:
    """The study's row in a condition (`printed=.../...`), or an empty text."""
    found = [part.removeprefix("printed=") for part in condition.split(";") if part.startswith("printed=")]
    return found[0] if found else ""


def _row_key(attack: str, epsilon: float, condition: str) -> str:
    return printed_row(condition) or f"{attack}|{epsilon}|{condition}"


def _line(key: str, group: pd.DataFrame, headers: tuple[str, ...], studied: dict[tuple[str, str], float]) -> Line:
    first = group.iloc[0]
    entries = {
        str(model): _entry(rows, studied.get((key, str(model)))) for model, rows in group.groupby("model", sort=False)
    }
    epsilon = float(first["epsilon"])
    return Line(_heads(key, first, headers), epsilon, "worst-case" in str(first["condition"]), entries)


def _heads(key: str, first: pd.Series, headers: tuple[str, ...]) -> tuple[str, ...]:
    blanks = ("",) * (len(headers) - 1)
    if first["attack"] == "none":
        return ("clean", *blanks)
    if printed_row(str(first["condition"])):
        return tuple(key.split("/"))
    name = in_255ths(float(first["epsilon"]))
    if "worst-case" not in str(first["condition"]):
        return (name, *blanks)
    label = f"{name} worst" + (" + APGD, Square" if "APGD" in str(first["attack"]) else "")
    return (label, "ε/4", str(first["steps"]))


def _entry(rows: pd.DataFrame, study: float | None) -> Entry:
    values = rows["value"]
    return Entry(
        value=float(values.mean()),
        spread=float(values.std()) if len(values) > 1 else None,
        low=float(rows["ci_low"].mean()),
        high=float(rows["ci_high"].mean()),
        study=study,
        comparable=comparable_weights(rows["weights"].iloc[0]),
    )
