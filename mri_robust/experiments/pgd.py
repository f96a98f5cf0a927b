"""Table 4 and Figure 4: accuracy under PGD over epsilon, step size and steps."""

from __future__ import annotations

from typing import Any

from mri_robust.core.registry import Spec
from mri_robust.study.cell import Cell
from mri_robust.study.evasion import DLR_CLASSES, STUDY_TEST_IMAGES, Shot, evasion_cell, gallery_cell, sanity_cell
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

NAME = "pgd"
ROWS = ((0.3, 2 / 255, 20), (0.01, 0.001, 5), (0.01, 0.0005, 5), (0.01, 0.0001, 5))
"""(epsilon, alpha, steps) in normalised units; the study prints the first alpha as .008."""
PRINTED = ("0.3/0.008/20", "0.01/0.001/5", "0.01/0.0005/5", "0.01/0.0001/5")
INVISIBLE = (1 / 255, 2 / 255, 4 / 255, 8 / 255)
"""Sizes in pixels that the field reports, rising: what a smaller one fools, a larger one fools."""
SURVIVORS = (
    Spec("APGD", {"loss": "ce", "steps": 20}),
    Spec("APGDT", {"steps": 20}),
    Spec("Square", {"n_queries": 500}),
)
"""Attacks of torchattacks on what PGD leaves standing; the targeted one needs `DLR_CLASSES`."""

COLUMNS = ("cnn_clean", "cnn_pgd", "cnn_fgsm", "resnet_pgd", "ensemble")
NUMBERS: dict[str, tuple[float | None, ...]] = {
    "cnn_clean": (0.0, 0.1, 0.31, 0.86),
    "cnn_pgd": (0.5, 0.83, 0.9, 0.92),
    "cnn_fgsm": (None, 0.89, 0.87, 0.88),
    "resnet_pgd": (None, 0.96, 0.96, 0.96),
    "ensemble": (None, 0.96, 0.98, 0.99),
}
PAPER = {
    (printed, model): number
    for row, printed in enumerate(PRINTED)
    for model in COLUMNS
    if (number := NUMBERS[model][row]) is not None
}
PAPER |= {(printed, "cnn_raw"): value for (printed, model), value in PAPER.items() if model == "cnn_clean"}


def cells(setting: Setting) -> list[Cell]:
    """One cell a model, and the pictures of Figure 4."""
    return _sound(setting) if setting.sound else _paper(setting)


def sound_shots(setting: Setting) -> list[Shot]:
    """The clean images, the study's four rows in pixels, and the worst case at each of `INVISIBLE`."""
    scale, targeted = setting.scale, len(setting.data.classes) >= DLR_CLASSES
    after = [spec for spec in SURVIVORS if scale.strong and (targeted or spec.name != "APGDT")]
    shots = [Shot(None)]
    shots += [
        Shot(Spec(NAME, _sizes(eps, alpha, steps)), printed=printed)
        for (eps, alpha, steps), printed in zip(ROWS, PRINTED, strict=True)
    ]
    for eps in INVISIBLE:
        strong = {"eps": eps, "alpha": eps / 4, "steps": scale.steps, "restarts": scale.restarts}
        then = tuple(Spec(each.name, {"eps": eps, **each.parameters}) for each in after)
        shots.append(Shot(Spec(NAME, strong), worst_case=True))
        if then:
            shots.append(Shot(Spec(NAME, strong), worst_case=True, then=then))
    return shots


def _sound(setting: Setting) -> list[Cell]:
    scale = setting.scale
    images, shots = scale.attack_images(setting.data.test_images), sound_shots(setting)
    recipes = [cnn_clean, cnn_fgsm, cnn_pgd, resnet_pgd, ensemble]
    recipes += [cnn_fgsm_scratch, cnn_pgd_scratch] if scale.strong else []
    measured = [
        evasion_cell(setting, module.recipe(setting), shots, experiment=NAME, images=images, paper=PAPER)
        for module in recipes
    ]
    checked = [sanity_cell(setting, module.recipe(setting), NAME) for module in recipes]
    pictured = [Spec(NAME, {"eps": eps, "alpha": eps / 4, "steps": 10}) for eps in (*INVISIBLE, 0.1)]
    return [*measured, *checked, gallery_cell(setting, cnn_clean.recipe(setting), pictured, NAME)]


def _paper(setting: Setting) -> list[Cell]:
    everyone = setting.data.test_images if setting.scale.attack_share == 1 else STUDY_TEST_IMAGES
    defended = STUDY_TEST_IMAGES

    def measure(recipe: Recipe, images: int, **how: Any) -> Cell:
        each_member = how.pop("each_member", False)
        shots = [Shot(None), *_printed(recipe, **how)]
        return evasion_cell(
            setting, recipe, shots, experiment=NAME, images=images, paper=PAPER, each_member=each_member
        )

    clean = cnn_clean.recipe(setting)
    pictured = [
        Spec(NAME, _sizes(eps, 0.001, 5, clip="end", bounds=list(NORMALISED_BOUNDS)))
        for eps in (0.001, 0.005, 0.01, 0.1, 0.3)
    ]
    return [
        measure(clean, everyone),
        measure(cnn_pgd.recipe(setting), defended),
        measure(cnn_fgsm.recipe(setting), defended),
        measure(resnet_pgd.recipe(setting), defended, wide=True),
        measure(ensemble.recipe(setting), defended, wide=True, each_member=True),
        measure(cnn_raw.recipe(setting), everyone, raw=True),
        gallery_cell(setting, clean, pictured, NAME),
    ]


def _printed(recipe: Recipe, *, wide: bool = False, raw: bool = False) -> list[Shot]:
    """The study's rows as it ran them; `wide` ran the rows printed .01 at .05, `raw` counts in pixels."""
    shots = []
    for (eps, alpha, steps), printed in zip(ROWS, PRINTED, strict=True):
        if wide and (printed, recipe.model) not in PAPER:
            continue  # the study left the .3 row of these models out
        if raw:
            parameters: dict[str, Any] = {"eps": eps, "alpha": alpha, "steps": steps, "clip": "end"}
        else:
            size = 0.05 if wide else eps
            parameters = _sizes(size, alpha, steps, clip="end", bounds=list(NORMALISED_BOUNDS))
        shots.append(Shot(Spec(NAME, parameters), printed=printed))
    return shots


def _sizes(eps: float, alpha: float, steps: int, **options: Any) -> dict[str, Any]:
    """Parameters of a PGD whose sizes are given in normalised units."""
    sizes = {"eps": normalised_to_pixels(eps), "alpha": normalised_to_pixels(alpha), "steps": steps}
    return {**sizes, **options}


EXPERIMENT = Experiment(
    name=NAME,
    title="Accuracy under PGD over epsilon, step size and steps",
    reference="section 6.3, Table 4, Figure 4",
    columns=COLUMNS,
    headers=("ε", "α", "steps"),
    paper=PAPER,
    faults=(
        "epsilon-normalised",
        "clamp-normalised",
        "partial-test-set",
        "train-mode-attack",
        "own-image-per-member",
        "pgd-epsilon-05",
        "raw-inputs",
        "leaky-split",
        "rgb-images",
    ),
    cells=cells,
    threats=("evasion",),
)
