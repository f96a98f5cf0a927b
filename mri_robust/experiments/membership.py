"""Membership inference: which images was a model trained on? For overfitted, augmented and robust models."""

from __future__ import annotations

from mri_robust.study.cell import Cell
from mri_robust.study.evasion import table_words
from mri_robust.study.experiment import Experiment
from mri_robust.study.poisoned import training_of
from mri_robust.study.recipe import Recipe
from mri_robust.study.setting import Setting
from mri_robust.study.training_time import plain_line
from mri_robust.zoo import cnn_augmented, cnn_clean, cnn_overfitted, cnn_pgd, cnn_shuffled

NAME = "membership"
SEEN, HELD_OUT, TEST = "seen", "held out", "test"
ATTACKS = ("loss threshold", "black box", "right prediction")
IMAGES_CONTROL = tuple((attack, HELD_OUT, TEST) for attack in ("loss threshold", "black box"))
"""Nobody was trained on either kind, so that an attack has nothing to find but a difference between the two kinds."""

Test = tuple[str, str, str]
"""(attack, members, others)."""


def cells(setting: Setting) -> list[Cell]:
    """A cell a model; those trained on half of the images are also asked about the other half."""

    def against(*others: str) -> list[Test]:
        return [(attack, SEEN, kind) for kind in others for attack in ATTACKS]

    return [
        _cell(setting, cnn_overfitted.recipe(setting), [*against(HELD_OUT, TEST), *IMAGES_CONTROL]),
        _cell(setting, cnn_augmented.recipe(setting), against(HELD_OUT, TEST)),
        _cell(setting, cnn_clean.recipe(setting), against(TEST)),
        _cell(setting, cnn_pgd.recipe(setting), against(TEST)),
        _cell(setting, cnn_shuffled.recipe(setting), against(HELD_OUT)),
    ]


def _cell(setting: Setting, recipe: Recipe, tests: list[Test]) -> Cell:
    return Cell(
        measure="membership",
        recipe=recipe,
        data=setting.data.digest,
        parameters={
            "tests": [{"attack": attack, "members": members, "others": others} for attack, members, others in tests],
            "training": training_of(recipe),
            "seed": setting.seed,
        },
        words=table_words(setting, recipe, NAME),
        lines=tuple(plain_line(test[0], _condition(*test)) for test in tests),
    )


def _condition(attack: str, members: str, others: str) -> str:
    control = "control: " if (attack, members, others) in IMAGES_CONTROL else ""
    return f"{attack};{control}{members} v. {others}"


EXPERIMENT = Experiment(
    name=NAME,
    title="Which images a model was trained on",
    reference="beyond the study",
    columns=("cnn_overfitted", "cnn_augmented", "cnn_clean", "cnn_pgd", "cnn_shuffled"),
    headers=(),
    paper={},
    faults=(),
    cells=cells,
    layout="conditions",
    threats=("membership",),
    beyond=True,
)
