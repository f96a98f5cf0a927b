"""Figure 6: a clean, an attacked and a defended training."""

from __future__ import annotations

from mri_robust.study.cell import Cell
from mri_robust.study.experiment import Experiment
from mri_robust.study.recipe import Recipe
from mri_robust.study.setting import Setting
from mri_robust.study.training_time import in_words, report_cell
from mri_robust.zoo import cnn_drunk, cnn_drunk_defended
from mri_robust.zoo.cnn_drunk_defended import NOISE, STRENGTH

NAME = "drunk-defence"
PAPER = {
    ("clean", "cnn_drunk"): 0.89,
    ("attacked", "cnn_drunk"): 0.31,
    ("defended", "cnn_drunk_defended"): 0.96,
}
"""Test accuracy after five epochs, from the authors' public notebooks."""
CLIP_NORM = 1.0


def cells(setting: Setting) -> list[Cell]:
    """The study's three trainings; sound: also the noise without an attack, and with gradient clipping."""
    trained = {
        "clean": cnn_drunk.recipe(setting, 0, 0),
        "attacked": cnn_drunk.recipe(setting, STRENGTH, STRENGTH),
        "defended": cnn_drunk_defended.recipe(setting),
    }
    measured = [_cell(setting, recipe, printed) for printed, recipe in trained.items()]
    if setting.sound:
        clipped = cnn_drunk_defended.recipe(setting, clip_norm=CLIP_NORM)
        noise = cnn_drunk_defended.recipe(setting, attacked=False)
        measured += [_cell(setting, clipped, defence=f"noise {NOISE}, gradient norm at most {CLIP_NORM:g}")]
        measured += [_cell(setting, noise, defence=f"noise {NOISE}, no attack")]
    return measured


def _cell(setting: Setting, recipe: Recipe, printed: str = "", *, defence: str = "") -> Cell:
    number = PAPER.get((printed, recipe.model))
    return report_cell(
        setting,
        recipe,
        experiment=NAME,
        attack="drunk-optimizer",
        condition=in_words(printed=printed, training=printed or "defended", defence=defence),
        paper={} if number is None else {"accuracy": number},
    )


EXPERIMENT = Experiment(
    name=NAME,
    title="Training with DrunkOptimizer, clean, attacked and defended",
    reference="section 6.5, Figure 6",
    columns=("cnn_drunk", "cnn_drunk_defended"),
    headers=("training",),
    paper=PAPER,
    faults=("ascent", "reused-optimizer", "plateau-of-accuracy", "leaky-split", "rgb-images"),
    cells=cells,
    layout="conditions",
    threats=("noisy-training",),
)
