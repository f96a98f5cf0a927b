"""Figure 5: CNNs trained with DrunkOptimizer of rising strength."""

from __future__ import annotations

from mri_robust.study.cell import Cell
from mri_robust.study.experiment import Experiment
from mri_robust.study.setting import Setting
from mri_robust.study.training_time import in_words, report_cell
from mri_robust.zoo import cnn_drunk

NAME = "drunk-sweep"
STRENGTHS = tuple(range(1, 10))
PAPER = {(str(strength), "cnn_drunk"): 0.96 if strength == 1 else 0.31 for strength in STRENGTHS}
"""Test accuracy after five epochs, from the authors' public notebooks."""


def cells(setting: Setting) -> list[Cell]:
    """Scale and perturbation together at 1 to 9; sound: also apart, and from scratch, beside strength 0."""
    together = [_cell(setting, strength, strength, printed=str(strength)) for strength in STRENGTHS]
    if not setting.sound:
        return together
    some = setting.scale.strengths
    return [
        _cell(setting, 0, 0),
        *together,
        *(_cell(setting, strength, 0) for strength in some),
        *(_cell(setting, 0, strength) for strength in some),
        *(_cell(setting, strength, strength, fine_tuned=False) for strength in (0, *some)),
    ]


def _cell(setting: Setting, scale: int, perturbation: int, *, fine_tuned: bool = True, printed: str = "") -> Cell:
    condition = in_words(
        printed=printed, scale=scale, perturbation=perturbation, start="cnn_clean" if fine_tuned else "scratch"
    )
    return report_cell(
        setting,
        cnn_drunk.recipe(setting, scale, perturbation, fine_tuned=fine_tuned),
        experiment=NAME,
        attack="drunk-optimizer",
        condition=condition,
        paper={"accuracy": PAPER[printed, "cnn_drunk"]} if printed else {},
    )


EXPERIMENT = Experiment(
    name=NAME,
    title="Training with DrunkOptimizer over strength",
    reference="section 6.5, Figure 5",
    columns=("cnn_drunk",),
    headers=("strength",),
    paper=PAPER,
    faults=("ascent", "plateau-of-accuracy", "leaky-split", "rgb-images"),
    cells=cells,
    layout="conditions",
    threats=("noisy-training",),
)
