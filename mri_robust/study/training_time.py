"""Declare cells that report on a trained model as it is: per class, and epoch by epoch."""

from __future__ import annotations

from typing import Any

from mri_robust.study.cell import Cell
from mri_robust.study.evasion import table_words
from mri_robust.study.recipe import Recipe
from mri_robust.study.setting import Setting

Paper = dict[str, float]
"""`accuracy` or `<class>/<metric>` -> the study's number."""


def report_cell(
    setting: Setting,
    recipe: Recipe,
    *,
    experiment: str,
    attack: str,
    condition: str,
    paper: Paper | None = None,
) -> Cell:
    """A cell that reports on a model's predictions of the clean test images, and on its training epoch by epoch.

    Args:
        setting, recipe: where, and which model.
        experiment: name of the experiment.
        attack: what was done to the training.
        condition: the row, parts joined by `;`; a part `printed=<row>` names the study's row.
        paper: the study's numbers for this row.
    """
    epochs = range(1, recipe.epochs + 1) if recipe.watch_test else ()
    return Cell(
        measure="class-report",
        recipe=recipe,
        data=setting.data.digest,
        parameters={"leak_free": setting.sound},
        words=table_words(setting, recipe, experiment) | {"label": readable(condition)},
        lines=(
            plain_line(attack, condition, paper),
            *(plain_line(attack, f"{condition};epoch={epoch}") for epoch in epochs),
        ),
    )


def plain_line(attack: str, condition: str, paper: Paper | None = None) -> dict[str, Any]:
    """The own columns of a row whose images were not perturbed within an epsilon."""
    return {
        "attack": attack,
        "epsilon": None,
        "alpha": None,
        "steps": None,
        "condition": condition,
        "paper": dict(paper or {}),
    }


def in_words(**parts: object) -> str:
    """A condition: `name=value` joined by `;`, without those that are empty."""
    return ";".join(f"{name}={value}" for name, value in parts.items() if value not in ("", None))


def readable(condition: str) -> str:
    """A condition as the label of a curve: `start scratch, strength 1.2`."""
    parts = [part.split("=", 1) for part in condition.split(";") if not part.startswith("printed=")]
    return ", ".join(" ".join(part) for part in parts)


def class_numbers(paper: dict[tuple[str, str], float], model: str) -> Paper:
    """The study's numbers of one model out of an experiment's."""
    return {printed: number for (printed, name), number in paper.items() if name == model}


def class_table(model: str, accuracy: float, **rows: tuple[float, float, float]) -> dict[tuple[str, str], float]:
    """A report of classes as the study prints it: class -> (precision, recall, F1)."""
    numbers = {("accuracy", model): accuracy}
    for name, row in rows.items():
        numbers |= {(f"{name}/{metric}", model): value for metric, value in zip(METRICS, row, strict=True)}
    return numbers


METRICS = ("precision", "recall", "f1")
