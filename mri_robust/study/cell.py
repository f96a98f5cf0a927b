"""One measured set of numbers, with everything that decides it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from mri_robust.core.hashing import digest
from mri_robust.study.recipe import Recipe

CODE_VERSION = 1
"""Raised when the code of training or measuring changes what it gives for the same inputs."""


@dataclass(frozen=True)
class Cell:
    """What to measure on which model, and under which words the numbers go into the table.

    Attributes:
        measure: a measure in `evaluation/measures`.
        recipe: the model it is measured on.
        data: digest of the data set.
        parameters: everything else that decides the numbers, plain data.
        others: further models that the measure needs.
        environment: what of the machine decides them (`device`, `precision`, `threads`), plain data.
        words: the table's columns that these numbers share (`experiment`, `protocol`, ...); decides nothing.
        lines: for each attack measured, its own columns (`attack`, `epsilon`, `condition`, ...), and under
            `paper` the study's numbers, `accuracy` or `<class>/<metric>` -> number; decides nothing.
    """

    measure: str
    recipe: Recipe
    data: str
    parameters: dict[str, Any]
    others: tuple[Recipe, ...] = ()
    environment: dict[str, Any] = field(default_factory=dict)
    words: dict[str, Any] = field(default_factory=dict)
    lines: tuple[dict[str, Any], ...] = ()

    @property
    def digest(self) -> str:
        """Names the cell: equal for equal deciding inputs."""
        deciding = (
            *(self.measure, self.recipe, self.others, self.data),
            *(self.parameters, self.environment, CODE_VERSION),
        )
        return digest(deciding)


def model_digest(recipe: Recipe, data: str, environment: dict[str, Any]) -> str:
    """Names a trained model: the recipe, the data and the machine's share in it."""
    return digest((recipe, data, environment, CODE_VERSION))
