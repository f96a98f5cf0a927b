"""Model extraction: Knockoff Nets and Copycat CNN against a plain and a robust model, and what answers give away."""

from __future__ import annotations

from typing import Any

from mri_robust.core.registry import Spec
from mri_robust.study.cell import Cell
from mri_robust.study.evasion import table_words
from mri_robust.study.experiment import Experiment
from mri_robust.study.recipe import Recipe
from mri_robust.study.setting import Setting
from mri_robust.study.training_time import in_words, plain_line
from mri_robust.zoo import cnn_clean, resnet_pgd

NAME = "extraction"
KNOCKOFF, COPYCAT = "Knockoff Nets", "Copycat CNN"
QUERIES = ("noise", "phantom", "training images")
THIEF = "cnn"
"""The copies' architecture: the victim's own for the CNN, another for the ResNet, which the attacker does not know."""
DEFENCES = ("rounded", "top-1", "shuffled")
BUDGETS = (100, 500, 1000, 4000)
"""How many images an attacker may ask about."""
MIDDLE = 1000
"""Most queries of the thefts that vary the attack or the answers."""

Theft = dict[str, Any]


def cells(setting: Setting) -> list[Cell]:
    """A cell a victim and kind of query; the defences, controls and the check of our own code ask training images."""
    victims = (cnn_clean.recipe(setting), resnet_pgd.recipe(setting))
    return [_cell(setting, victim, queries) for victim in victims for queries in QUERIES]


def _cell(setting: Setting, victim: Recipe, queries: str) -> Cell:
    available = setting.data.train_images if queries == "training images" else max(BUDGETS)
    budgets = sorted({min(budget, available) for budget in BUDGETS})
    thefts = [_theft(setting, queries, budget) for budget in budgets]
    if queries == "training images":
        middle = max(budget for budget in budgets if budget <= MIDDLE)
        thefts = [{"by": "owner"}, *thefts, *_variations(setting, middle), {"by": "nobody"}]
    return Cell(
        measure="extraction",
        recipe=victim,
        data=setting.data.digest,
        parameters={"thefts": thefts, "architecture": THIEF, "leak_free": setting.sound, "seed": setting.seed},
        words=table_words(setting, victim, NAME),
        lines=tuple(plain_line(_attack(theft), _condition(theft)) for theft in thefts),
    )


def _variations(setting: Setting, budget: int) -> list[Theft]:
    """Labels alone, answers changed, and our own code."""
    queries = "training images"
    return [
        _theft(setting, queries, budget, labels_only=True),
        *(_theft(setting, queries, budget, defence=defence) for defence in DEFENCES),
        _theft(setting, queries, budget, by="own code"),
    ]


def _theft(
    setting: Setting, queries: str, budget: int, *, by: str = "art", defence: str = "", labels_only: bool = False
) -> Theft:
    scale = setting.scale
    parameters = {
        "queries": queries,
        "budget": budget,
        "labels_only": labels_only,
        "updates": scale.copy_images // scale.batch_size,
        "batch_size": scale.batch_size,
        "learning_rate": 1e-4 * scale.rate,
    }
    return {"by": by, "attack": Spec("extraction", parameters), "defence": defence}


def _attack(theft: Theft) -> str:
    if "attack" not in theft:
        return "none"
    return COPYCAT if theft["attack"].parameters["labels_only"] else KNOCKOFF


def _condition(theft: Theft) -> str:
    """`Knockoff Nets;queries=noise;budget=100;answers=rounded`."""
    if "attack" not in theft:
        return {"owner": "the model itself", "nobody": "control: untrained copy"}[theft["by"]]
    parameters = theft["attack"].parameters
    answers = "shuffled (control)" if theft["defence"] == "shuffled" else theft["defence"]
    words = in_words(queries=parameters["queries"], budget=parameters["budget"], answers=answers)
    return ";".join([_attack(theft), words, *(["our own code"] if theft["by"] == "own code" else [])])


EXPERIMENT = Experiment(
    name=NAME,
    title="Copies of a model trained on its answers",
    reference="beyond the study",
    columns=("cnn_clean", "resnet_pgd"),
    headers=(),
    paper={},
    faults=(),
    cells=cells,
    layout="conditions",
    threats=("extraction",),
    beyond=True,
)
