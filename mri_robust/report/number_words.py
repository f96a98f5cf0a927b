"""What a number of a tidy table is, in words."""

from __future__ import annotations

from collections.abc import Collection

from mri_robust.report.conditions import in_words
from mri_robust.report.layout import in_255ths, title
from mri_robust.report.tidy_rows import Row

_SPELLED = (
    *("experiment", "protocol", "dataset", "scale", "seed", "model", "weights", "attack", "engine"),
    *("epsilon", "alpha", "steps", "condition", "subset", "class", "metric"),
)
"""Columns that have a place of their own in a number's words."""


def attack_words(row: Row) -> str:
    """`fgsm 4/255`, `pgd 4/255, 10 × 1/255`, `clean`, or the attack's name where it has no epsilon."""
    attack, epsilon, alpha, steps = (row.get(column, "") for column in ("attack", "epsilon", "alpha", "steps"))
    if attack == "none":
        return "clean"
    size = f" × {_size(alpha)}" if alpha else " steps"
    return " ".join(part for part in (attack, _size(epsilon)) if part) + (f", {steps}{size}" if steps else "")


def number_words(row: Row, leave_out: Collection[str] = ()) -> str:
    """A row's number: `fgsm · sound · CNN_clean · fgsm 4/255 · glioma recall`.

    Args:
        row: its columns.
        leave_out: columns that go without saying; an attack is told by all its columns, or not at all.
    """
    own = {column: "" if column in leave_out else text for column, text in row.items()}
    attack = "" if {"attack", "epsilon", "alpha", "steps"} <= set(leave_out) else attack_words(row)
    parts = (
        *(own.get(column, "") for column in ("experiment", "protocol", "dataset", "scale")),
        f"seed {own['seed']}" if own.get("seed") else "",
        title(own.get("model", "")),
        f"weights {own['weights']}" if own.get("weights") else "",
        *(attack, own.get("engine", ""), in_words(own.get("condition", ""))),
        f"{own['subset']} images" if own.get("subset") else "",
        " ".join(text for text in (row.get("class", ""), row.get("metric", "")) if text),
        *(f"{column} {text}" for column, text in own.items() if column not in _SPELLED and text),
    )
    return " · ".join(part for part in parts if part)


def _size(text: str) -> str:
    try:
        return in_255ths(float(text)) if text else ""
    except ValueError:
        return text
