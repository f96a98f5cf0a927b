"""MRI artefacts beside PGD: natural and adversarial robustness of the same models on the same images.

What a scanner or a patient does to an image is no attack: Article 15(4) of the AI Act asks for resilience against
errors, faults and inconsistencies, Article 15(5) for resilience against attacks.
"""

from __future__ import annotations

from mri_robust.data.artefacts import ARTEFACTS, WORST
from mri_robust.experiments.pgd import sound_shots
from mri_robust.study.cell import Cell
from mri_robust.study.evasion import evasion_cell, table_words
from mri_robust.study.experiment import Experiment
from mri_robust.study.recipe import Recipe
from mri_robust.study.setting import Setting
from mri_robust.study.training_time import in_words, plain_line
from mri_robust.zoo import cnn_clean, cnn_pgd, resnet_clean, resnet_pgd

NAME = "artefacts"
LEVELS = tuple(range(1, WORST + 1))
MODELS = (cnn_clean, cnn_pgd, resnet_clean, resnet_pgd)


def cells(setting: Setting) -> list[Cell]:
    """Two cells a model: worst-case PGD, and all artefacts at all levels, on the images that PGD attacks.

    Sound: PGD's cell is the one of Table 4, so that it is measured once. Paper: the study's models under the same.
    """
    images = setting.scale.attack_images(setting.data.test_images)
    shots = [shot for shot in sound_shots(setting) if setting.sound or not shot.printed]
    found = []
    for module in MODELS:
        recipe = module.recipe(setting)
        found.append(evasion_cell(setting, recipe, shots, experiment=NAME, images=images, paper={}))
        found.append(_artefact_cell(setting, recipe, images, pictures=module is cnn_clean))
    return found


def _artefact_cell(setting: Setting, recipe: Recipe, images: int, *, pictures: bool) -> Cell:
    names = ARTEFACTS.names()
    return Cell(
        measure="artefacts",
        recipe=recipe,
        data=setting.data.digest,
        parameters={
            "artefacts": names,
            "levels": list(LEVELS),
            "images": images,
            "leak_free": setting.sound,
            "pictures": pictures,
            "seed": setting.seed,
        },
        words=table_words(setting, recipe, NAME),
        lines=(
            plain_line(NAME, "mean over all artefacts and severities"),
            *(plain_line(name, in_words(severity=level)) for name in names for level in LEVELS),
        ),
    )


EXPERIMENT = Experiment(
    name=NAME,
    title="MRI artefacts beside PGD",
    reference="beyond the study",
    columns=tuple(module.__name__.rpartition(".")[-1] for module in MODELS),
    headers=(),
    paper={},
    faults=(),
    cells=cells,
    layout="conditions",
    threats=("evasion",),
    beyond=True,
)
