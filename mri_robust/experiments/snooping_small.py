"""Table 8: a snooping detector trained and tested on small patterns."""

from __future__ import annotations

from mri_robust.study.cell import Cell
from mri_robust.study.experiment import Experiment
from mri_robust.study.setting import Setting
from mri_robust.study.snooping import snooping_cell
from mri_robust.study.training_time import class_numbers, class_table
from mri_robust.zoo import resnet18_snoop

NAME = "snooping-small"
PAPER = class_table("resnet18_snoop", 0.82, no_pattern=(0.76, 0.94, 0.84), pattern=(0.92, 0.71, 0.8))


def cells(setting: Setting) -> list[Cell]:
    """Trained on small patterns."""
    recipe = resnet18_snoop.recipe(setting, ("small",))
    paper = class_numbers(PAPER, "resnet18_snoop")
    return [
        snooping_cell(setting, recipe, experiment=NAME, shapes=("circle", "square", "cross", "triangle"), paper=paper)
    ]


EXPERIMENT = Experiment(
    name=NAME,
    title="Snooping, trained on small patterns",
    reference="section 6.6, Table 8",
    columns=("resnet18_snoop",),
    headers=(),
    paper=PAPER,
    faults=("fixed-patterns", "leaky-split", "rgb-images"),
    cells=cells,
    layout="classes",
)
