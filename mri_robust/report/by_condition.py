"""A table of overall metrics: a row a model and condition, a column a metric."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from mri_robust.report.conditions import epoch_of, in_words, printed_row, without
from mri_robust.report.entry import Entry, entry_of
from mri_robust.report.layout import in_255ths

Column = tuple[str, str]
"""A metric and the subset of images it was counted on."""

HEADINGS: dict[Column, str] = {
    ("accuracy", "all"): "accuracy",
    ("accuracy", "leak-free"): "accuracy, leak-free",
    ("accuracy", "training"): "accuracy, training",
    ("relative_accuracy", "all"): "relative to clean",
    ("precision", "all"): "precision",
    ("recall", "all"): "recall",
    ("f1", "all"): "F1",
    ("asr", "all"): "attack success",
    ("missed_tumour_rate", "all"): "missed tumours",
    ("fidelity", "all"): "fidelity",
    ("right_answers", "all"): "right answers",
    ("fidelity_gap", "all"): "ours − ART's",
    ("auc", "all"): "AUC",
    ("tpr_at_1_fpr", "all"): "TPR at 1 % FPR",
    ("tpr_at_fpr", "all"): "TPR at 5 % FPR",
    ("fpr", "all"): "FPR",
    ("referred", "all"): "referred",
    ("threshold", "all"): "threshold",
    ("epochs_to_90", "all"): "epochs to 90 %",
    ("same_as_art", "all"): "same as ART",
    ("members", "all"): "members",
    ("others", "all"): "others",
    ("confidence", "all"): "confidence",
    ("second_confidence", "all"): "2nd model's",
    ("recognised", "all"): "recognised",
    ("nearest_ssim", "all"): "SSIM, nearest",
    ("mean_ssim", "all"): "SSIM, class mean",
    ("roughness", "all"): "roughness",
    ("art_difference", "all"): "ours − ART's, greatest",
}
"""Columns in their order, and how they are headed; a metric of another name comes after them."""


DIGITS = {"epochs_to_90": 0, "members": 0, "others": 0, "art_difference": 7}
"""Metric -> digits after the point; 3 for the others."""


@dataclass(frozen=True)
class ConditionLine:
    """A row: model, condition in words, and an entry a column."""

    model: str
    condition: str
    entries: dict[Column, Entry]


@dataclass(frozen=True)
class ConditionTable:
    """The columns that have a number, in order, and the rows in the order measured."""

    columns: tuple[Column, ...]
    lines: tuple[ConditionLine, ...]

    @property
    def headings(self) -> list[str]:
        """The columns' headings."""
        return [HEADINGS.get(column, column[0].replace("_", " ")) for column in self.columns]

    def texts(self, line: ConditionLine, write: Callable[[Entry | None, int], str]) -> list[str]:
        """A line's entries as `write` (`entry_text`, `interval_text`) writes them; nothing where it has none."""
        return [
            write(line.entries[column], DIGITS.get(column[0], 3)) if column in line.entries else ""
            for column in self.columns
        ]


def by_condition(table: pd.DataFrame) -> ConditionTable:
    """Lay out the overall rows of one protocol's tidy table.

    Of a training curve the last epoch alone is shown, and that only where no row stands for the whole training.
    """
    overall = table["class"] == ""
    rows = table[overall & ((table["subset"] == "all") | (table["metric"] == "accuracy"))]
    groups = [
        (str(model), str(name), _entries(group))
        for (model, name), group in rows.assign(name=_names(rows)).groupby(["model", "name"], sort=False)
    ]
    lines = tuple(ConditionLine(model, name, entries) for model, name, entries in groups if entries)
    present = {column for line in lines for column in line.entries}
    others = sorted(present - set(HEADINGS))
    return ConditionTable(tuple(column for column in [*HEADINGS, *others] if column in present), lines)


def _names(rows: pd.DataFrame) -> list[str]:
    """What each row's line is called: its condition in words, with its attack where that has an epsilon.

    Lines of one model that would be called the same are told apart by their attack and by the study's row.
    """
    conditions = [str(condition) for condition in rows["condition"]]
    evasion = [_evasion(*sizes) for sizes in zip(*(rows[name] for name in EVASION), strict=True)]
    words = [in_words(without(condition, "printed", "epoch")) for condition in conditions]
    names = list(zip(rows["model"], evasion, words, strict=True))
    attacks: dict[tuple[str, str, str], set[str]] = defaultdict(set)
    studied: dict[tuple[str, str, str], set[str]] = defaultdict(set)
    for name, attack, condition in zip(names, rows["attack"], conditions, strict=True):
        attacks[name].add(attack)
        studied[name] |= {printed_row(condition)} - {""}
    return [
        ", ".join(
            part
            for part in (
                name[1] or (attack if len(attacks[name]) > 1 else ""),
                name[2],
                printed_row(condition) if len(studied[name]) > 1 or not any(name[1:]) else "",
            )
            if part
        )
        or ("clean" if attack == "none" else "")
        for name, attack, condition in zip(names, rows["attack"], conditions, strict=True)
    ]


EVASION = ("attack", "epsilon", "alpha", "steps")


def _evasion(attack: str, epsilon: float, alpha: float, steps: str) -> str:
    """`pgd 4/255, 10 × 1/255`; empty for an attack without an epsilon."""
    if pd.isna(epsilon) or attack == "none":
        return ""
    size = f" × {in_255ths(alpha)}" if pd.notna(alpha) else " steps"
    return f"{attack} {in_255ths(epsilon)}" + (f", {steps}{size}" if steps else "")


def _entries(group: pd.DataFrame) -> dict[Column, Entry]:
    found = {}
    for (metric, subset), rows in group.groupby(["metric", "subset"], sort=False):
        entry = entry_of(_settled(rows))
        if entry:
            found[(str(metric), str(subset))] = entry
    return found


def _settled(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of the whole training, or of its last epoch."""
    numbers = pd.Series([epoch_of(condition) or 0 for condition in rows["condition"]], index=rows.index)
    return rows[numbers == (0 if (numbers == 0).any() else numbers.max())]
