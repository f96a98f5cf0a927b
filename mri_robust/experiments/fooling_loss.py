"""Table 6: a CNN trained with FoolingLoss."""

from __future__ import annotations

from mri_robust.study.cell import Cell
from mri_robust.study.experiment import Experiment
from mri_robust.study.setting import Setting
from mri_robust.study.training_time import class_numbers, class_table, in_words, report_cell
from mri_robust.zoo import cnn_fooling

NAME = "fooling-loss"
PAPER = class_table(
    "cnn_fooling",
    0.62,
    glioma=(0.58, 0.98, 0.73),
    meningioma=(0.46, 0.76, 0.57),
    notumor=(0.0, 0.0, 0.0),
    pituitary=(0.94, 0.94, 0.94),
)


def cells(setting: Setting) -> list[Cell]:
    """From CNN_clean and from scratch, as the study does not say which; sound: each with augmentation too."""
    augmentations = (False, True) if setting.sound else (False,)
    return [
        _cell(setting, fine_tuned=fine_tuned, augmented=augmented)
        for fine_tuned in (True, False)
        for augmented in augmentations
    ]


def _cell(setting: Setting, *, fine_tuned: bool, augmented: bool) -> Cell:
    start = "cnn_clean" if fine_tuned else "scratch"
    condition = in_words(
        printed="" if augmented else f"from {start}", start=start, augmentation="5.1" if augmented else "none"
    )
    return report_cell(
        setting,
        cnn_fooling.recipe(setting, fine_tuned=fine_tuned, augmented=augmented),
        experiment=NAME,
        attack=NAME,
        condition=condition,
        paper={} if augmented else class_numbers(PAPER, "cnn_fooling"),
    )


EXPERIMENT = Experiment(
    name=NAME,
    title="Training with FoolingLoss",
    reference="section 6.4, Table 6",
    columns=("cnn_fooling",),
    headers=(),
    paper=PAPER,
    faults=("fine-tuned-start", "leaky-split", "rgb-images"),
    cells=cells,
    layout="classes",
    threats=("biased-training",),
)
