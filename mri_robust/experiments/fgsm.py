"""Table 3 and Figure 3: accuracy under FGSM over epsilon."""

from __future__ import annotations

from mri_robust.core.registry import Spec
from mri_robust.study.cell import Cell
from mri_robust.study.evasion import STUDY_TEST_IMAGES, Shot, evasion_cell, gallery_cell
from mri_robust.study.experiment import Experiment
from mri_robust.study.protocol import NORMALISED_BOUNDS, normalised_to_pixels
from mri_robust.study.recipe import Recipe
from mri_robust.study.setting import Setting
from mri_robust.zoo import (
    cnn_clean,
    cnn_fgsm,
    cnn_fgsm_scratch,
    cnn_pgd,
    cnn_pgd_scratch,
    cnn_raw,
    ensemble,
    resnet_pgd,
)

NAME = "fgsm"
EPSILONS = (0.1, 0.01, 0.005, 0.002, 0.001)
"""Sizes as the study prints them, in normalised units."""
INVISIBLE = (8 / 255, 4 / 255, 2 / 255, 1 / 255)
"""Sizes in pixels that the field reports."""

COLUMNS = ("cnn_clean", "cnn_fgsm", "cnn_pgd", "resnet_pgd", "ensemble")
NUMBERS = {
    "cnn_clean": (0.0, 0.07, 0.23, 0.61, 0.81),
    "cnn_fgsm": (0.82, 0.84, 0.86, 0.87, 0.87),
    "cnn_pgd": (0.46, 0.84, 0.88, 0.87, 0.9),
    "resnet_pgd": (0.67, 0.93, 0.98, 0.96, 0.96),
    "ensemble": (0.76, 0.97, 0.98, 0.98, 0.98),
}
PAPER = {(str(eps), model): NUMBERS[model][row] for row, eps in enumerate(EPSILONS) for model in COLUMNS}
PAPER |= {(printed, "cnn_raw"): value for (printed, model), value in PAPER.items() if model == "cnn_clean"}


def cells(setting: Setting) -> list[Cell]:
    """One cell a model, and the pictures of Figure 3."""
    return _sound(setting) if setting.sound else _paper(setting)


def _sound(setting: Setting) -> list[Cell]:
    shots = [Shot(None)]
    shots += [Shot(Spec("fgsm", {"eps": normalised_to_pixels(eps)}), printed=str(eps)) for eps in EPSILONS]
    shots += [Shot(Spec("fgsm", {"eps": eps})) for eps in INVISIBLE]
    recipes = [cnn_clean, cnn_fgsm, cnn_pgd, resnet_pgd, ensemble]
    recipes += [cnn_fgsm_scratch, cnn_pgd_scratch] if setting.scale.strong else []
    everyone = setting.data.test_images
    measured = [
        evasion_cell(setting, module.recipe(setting), shots, experiment=NAME, images=everyone, paper=PAPER)
        for module in recipes
    ]
    pictured = [Spec("fgsm", {"eps": eps}) for eps in (*reversed(INVISIBLE), 0.1)]
    return [*measured, gallery_cell(setting, cnn_clean.recipe(setting), pictured, NAME)]


def _paper(setting: Setting) -> list[Cell]:
    defended = min(STUDY_TEST_IMAGES, setting.data.test_images)
    everyone = setting.data.test_images

    def measure(recipe: Recipe, images: int, *, clamp: bool = True, each_member: bool = False) -> Cell:
        shots = [Shot(None), *(_printed(eps, recipe, clamp) for eps in EPSILONS)]
        return evasion_cell(
            setting, recipe, shots, experiment=NAME, images=images, paper=PAPER, each_member=each_member
        )

    clean = cnn_clean.recipe(setting)
    pictured = [_printed(eps, clean, clamp=True).attack for eps in reversed(EPSILONS)]
    return [
        measure(clean, everyone),
        measure(cnn_fgsm.recipe(setting), defended),
        measure(cnn_pgd.recipe(setting), defended),
        measure(resnet_pgd.recipe(setting), defended),
        measure(ensemble.recipe(setting), defended, each_member=True),
        measure(cnn_raw.recipe(setting), everyone, clamp=False),
        gallery_cell(setting, clean, [attack for attack in pictured if attack], NAME),
    ]


def _printed(eps: float, recipe: Recipe, clamp: bool) -> Shot:
    """A row as the study ran it: in the model's own units, clamped to [0, 1] there."""
    parameters = {"eps": normalised_to_pixels(eps) if clamp else eps}
    if clamp:
        parameters["bounds"] = list(NORMALISED_BOUNDS)  # type: ignore[assignment]
    return Shot(Spec(NAME, parameters), printed=str(eps))


EXPERIMENT = Experiment(
    name=NAME,
    title="Accuracy under FGSM over epsilon",
    reference="section 6.2, Table 3, Figure 3",
    columns=COLUMNS,
    headers=("ε",),
    paper=PAPER,
    faults=(
        "epsilon-normalised",
        "clamp-normalised",
        "partial-test-set",
        "train-mode-attack",
        "own-image-per-member",
        "raw-inputs",
        "leaky-split",
        "rgb-images",
    ),
    cells=cells,
    threats=("evasion",),
)
