"""The backdoored CNNs before and after repairs; the oracle, which knows the poison, bounds what removal can do."""

from __future__ import annotations

from mri_robust.study.backdoors import BADNETS_SHARES
from mri_robust.study.cell import Cell
from mri_robust.study.evasion import table_words
from mri_robust.study.experiment import Experiment
from mri_robust.study.poisoned import training_of
from mri_robust.study.recipe import Recipe
from mri_robust.study.setting import Setting
from mri_robust.study.training_time import in_words, plain_line
from mri_robust.zoo import cnn_backdoor, cnn_badnets

NAME = "repair"
TRUSTED_SHARE = 0.1
"""Of the training images, how many clean ones the repairer has."""
DROP = 0.04
"""How far pruning may lower the accuracy on them."""
TUNING_EPOCHS = 10
ANALYSIS = "silhouette-scores"
REPAIRS = {
    "none": "none",
    "pruned": "pruned",
    "pruned and tuned": "fine-pruned",
    "tuned": "fine-tuned without pruning",
    "without flagged": "retrained without what activation clustering flags",
    "without poison": "retrained without the poison (oracle)",
}
"""Repair -> how the table calls it."""


def cells(setting: Setting) -> list[Cell]:
    """Every backdoored CNN; under the paper's protocol the study's own poisoning alone."""
    victims = [(cnn_backdoor.recipe(setting), "creeper", "all of notumor")]
    if setting.sound:
        badnets = ((cnn_badnets.recipe(setting, share), share) for share in BADNETS_SHARES)
        victims += [(recipe, "badnets", f"BadNets {share:.0%}") for recipe, share in badnets]
    return [_cell(setting, *victim) for victim in victims]


def _cell(setting: Setting, recipe: Recipe, attack: str, poison: str) -> Cell:
    pruning = {
        "drop": DROP,
        "epochs": TUNING_EPOCHS,
        "batch_size": recipe.batch_size,
        "learning_rate": recipe.learning_rate,
    }
    images = min(recipe.train_images or setting.data.train_images, setting.data.train_images)
    return Cell(
        measure=NAME,
        recipe=recipe,
        data=setting.data.digest,
        parameters={
            "repairs": list(REPAIRS),
            "training": training_of(recipe),
            "trusted": round(TRUSTED_SHARE * images),
            "pruning": pruning,
            "analysis": ANALYSIS,
            "images": setting.scale.attack_images(setting.data.test_images),
            "target": setting.data.healthy,
            "leak_free": setting.sound,
            "seed": setting.seed,
        },
        words=table_words(setting, recipe, NAME) | {"label": poison},
        lines=tuple(plain_line(attack, in_words(poison=poison, repair=name)) for name in REPAIRS.values()),
    )


EXPERIMENT = Experiment(
    name=NAME,
    title="Repairs of the backdoored CNN",
    reference="beyond the study",
    columns=("cnn_backdoor", "cnn_badnets"),
    headers=(),
    paper={},
    faults=(),
    cells=cells,
    layout="conditions",
    threats=("backdoor-repair",),
    beyond=True,
)
