"""The study's layout of a table of accuracies: a row an attack, a column a model."""

from __future__ import annotations

from dataclasses import dataclass, field

import pandas as pd

from mri_robust.report.conditions import printed_row
from mri_robust.report.entry import Entry, entry_of
from mri_robust.study.experiment import Experiment

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
    "cnn_backdoor": "CNN_backdoor",
    "cnn_badnets": "CNN_BadNets",
    "resnet50_backdoor": "ResNet50_backdoor",
    "resnet50_badnets": "ResNet50_BadNets",
    "cnn_noisy": "CNN_noisy",
    "cnn_fooling": "CNN_fooling",
    "cnn_drunk": "CNN_drunk",
    "cnn_drunk_defended": "CNN_drunk, defended",
    "resnet18_snoop": "ResNet18_snoop",
    "cnn_overfitted": "CNN_overfitted",
    "cnn_augmented": "CNN_augmented",
    "cnn_shuffled": "CNN_shuffled",
}
"""Model id -> how the report calls it."""


def title(model: str) -> str:
    """How the report calls a model; its id where it has no other name."""
    return TITLES.get(model, model)


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
    return Grid(experiment.headers, tuple(models), tuple(_line(group, experiment.headers) for _, group in grouped))


def in_255ths(epsilon: float) -> str:
    """An epsilon in pixels as `4/255`, with at most two decimals."""
    return f"{f'{epsilon * 255:.2f}'.rstrip('0').rstrip('.')}/255"


def _row_key(attack: str, epsilon: float, condition: str) -> str:
    return printed_row(condition) or f"{attack}|{epsilon}|{condition}"


def _line(group: pd.DataFrame, headers: tuple[str, ...]) -> Line:
    first = group.iloc[0]
    entries = {str(model): entry_of(rows) for model, rows in group.groupby("model", sort=False)}
    return Line(
        heads=_heads(first, headers),
        epsilon=float(first["epsilon"]),
        worst_case="worst-case" in str(first["condition"]),
        entries={model: entry for model, entry in entries.items() if entry},
    )


def _heads(first: pd.Series, headers: tuple[str, ...]) -> tuple[str, ...]:
    blanks = ("",) * (len(headers) - 1)
    if first["attack"] == "none":
        return ("clean", *blanks)
    if printed := printed_row(str(first["condition"])):
        return tuple(printed.split("/"))
    name = in_255ths(float(first["epsilon"]))
    if "worst-case" not in str(first["condition"]):
        return (name, *blanks)
    label = f"{name} worst" + (" + APGD, Square" if "APGD" in str(first["attack"]) else "")
    return (label, "ε/4", str(first["steps"]))
