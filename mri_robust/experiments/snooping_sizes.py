"""Table 7: a snooping detector trained on patterns of all sizes, tested on small ones."""

from __future__ import annotations

from mri_robust.study.cell import Cell
from mri_robust.study.experiment import Experiment
from mri_robust.study.setting import Setting
from mri_robust.study.snooping import snooping_cell
from mri_robust.study.training_time import class_numbers, class_table
from mri_robust.zoo import resnet18_snoop

NAME = "snooping-sizes"
PAPER = class_table("resnet18_snoop", 0.77, no_pattern=(0.68, 0.99, 0.81), pattern=(0.99, 0.54, 0.7))


def cells(setting: Setting) -> list[Cell]:
    """Trained on small, mid and large patterns."""
    recipe = resnet18_snoop.recipe(setting, ("small", "mid", "large"))
    paper = class_numbers(PAPER, "resnet18_snoop")
    return [
        snooping_cell(setting, recipe, experiment=NAME, shapes=("circle", "square", "cross", "triangle"), paper=paper)
    ]


EXPERIMENT = Experiment(
    name=NAME,
    title="Snooping, trained on all sizes",
    reference="section 6.6, Table 7",
    columns=("resnet18_snoop",),
    headers=(),
    paper=PAPER,
    faults=("fixed-patterns", "leaky-split", "rgb-images"),
    cells=cells,
    layout="classes",
)
