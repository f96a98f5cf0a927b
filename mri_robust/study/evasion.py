"""Declare the cells of an accuracy-under-attack table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mri_robust.core.registry import Spec
from mri_robust.study.cell import Cell
from mri_robust.study.recipe import Recipe
from mri_robust.study.setting import Setting

STUDY_TEST_IMAGES = 256
"""Images that the study's defended models were measured on: fault `partial-test-set`."""
DLR_CLASSES = 4
"""Fewest classes for which the loss of targeted APGD (arXiv 2003.01690) is defined."""
SANITY_EPS = 4 / 255
"""Size in pixels of the attacks that the sanity checks compare."""
GALLERY_IMAGES = 6
"""Test images that a gallery keeps pictures of."""


@dataclass(frozen=True)
class Shot:
    """One attack on one model, and how the table words it.

    Attributes:
        attack: the attack to run; None measures the clean images.
        printed: the study's row that this is, its figures joined by `/`; empty for rows that the study lacks.
        worst_case: an image counts as fooled if it is misclassified clean, or fooled at a smaller shot of this kind.
        then: attacks of torchattacks run on what is left standing, for the worst case.
    """

    attack: Spec | None
    printed: str = ""
    worst_case: bool = False
    then: tuple[Spec, ...] = ()

    def line(self, recipe: Recipe, paper: dict[tuple[str, str], float]) -> dict[str, Any]:
        """This shot's own columns of the table."""
        parameters = self.attack.parameters if self.attack else {}
        number = paper.get((self.printed, recipe.model))
        return {
            "attack": "-".join([self.attack.name if self.attack else "none", *(spec.name for spec in self.then)]),
            "epsilon": parameters.get("eps", 0.0),
            "alpha": parameters.get("alpha"),
            "steps": parameters.get("steps"),
            "condition": self._condition(parameters),
            "paper": {} if number is None else {"accuracy": number},
        }

    def _condition(self, parameters: dict[str, Any]) -> str:
        parts = [f"printed={self.printed}"] if self.printed else []
        if self.worst_case:
            parts += ["worst-case", f"restarts={parameters.get('restarts', 1)}"]
        return ";".join(parts)


def evasion_cell(
    setting: Setting,
    recipe: Recipe,
    shots: list[Shot],
    *,
    experiment: str,
    images: int,
    paper: dict[tuple[str, str], float],
    each_member: bool = False,
) -> Cell:
    """A cell that measures one model under several attacks on the first `images` shuffled test images.

    `each_member` feeds every member of an ensemble its own adversarial image: fault `own-image-per-member`.
    """
    return Cell(
        measure="evasion",
        recipe=recipe,
        data=setting.data.digest,
        parameters={
            "shots": [
                {"attack": shot.attack, "worst_case": shot.worst_case, "then": list(shot.then)} for shot in shots
            ],
            "engine": setting.engine,
            "images": min(images, setting.data.test_images),
            "each_member": each_member,
            "leak_free": setting.sound,
            "seed": setting.seed,
        },
        words=table_words(setting, recipe, experiment),
        lines=tuple(shot.line(recipe, paper) for shot in shots),
    )


def gallery_cell(
    setting: Setting, recipe: Recipe, attacks: list[Spec], experiment: str, *, images: int = GALLERY_IMAGES
) -> Cell:
    """A cell that keeps pictures of some test images under rising epsilon, with predictions: Figures 3 and 4."""
    return Cell(
        measure="gallery",
        recipe=recipe,
        data=setting.data.digest,
        parameters={"attacks": attacks, "engine": setting.engine, "images": images, "seed": setting.seed},
        words=table_words(setting, recipe, experiment),
    )


def sanity_cell(setting: Setting, recipe: Recipe, experiment: str) -> Cell:
    """A cell that asks the sanity checks whether a model's accuracy under attack is a mirage."""
    return Cell(
        measure="sanity",
        recipe=recipe,
        data=setting.data.digest,
        parameters={"eps": SANITY_EPS, "seed": setting.seed},
        words=table_words(setting, recipe, experiment),
    )


def table_words(setting: Setting, recipe: Recipe, experiment: str) -> dict[str, Any]:
    """The columns that all numbers of a cell share."""
    return {
        "experiment": experiment,
        "protocol": setting.protocol,
        "dataset": setting.data.name,
        "scale": setting.scale.name,
        "seed": setting.seed,
        "model": recipe.model,
        "weights": recipe.weights.rsplit("/", 1)[-1],
        "engine": setting.engine,
    }
