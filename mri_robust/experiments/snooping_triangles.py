"""Table 9: a snooping detector trained on small patterns, tested on small triangles."""

from __future__ import annotations

from mri_robust.study.cell import Cell
from mri_robust.study.experiment import Experiment
from mri_robust.study.setting import Setting
from mri_robust.study.snooping import snooping_cell
from mri_robust.study.training_time import class_numbers, class_table
from mri_robust.zoo import resnet18_snoop

NAME = "snooping-triangles"
PAPER = class_table("resnet18_snoop", 0.8, no_pattern=(0.73, 0.94, 0.82), pattern=(0.91, 0.66, 0.77))


def cells(setting: Setting) -> list[Cell]:
    """The detector of Table 8."""
    recipe = resnet18_snoop.recipe(setting, ("small",))
    paper = class_numbers(PAPER, "resnet18_snoop")
    return [snooping_cell(setting, recipe, experiment=NAME, shapes=("triangle",), paper=paper)]


EXPERIMENT = Experiment(
    name=NAME,
    title="Snooping, tested on triangles",
    reference="section 6.6, Table 9",
    columns=("resnet18_snoop",),
    headers=(),
    paper=PAPER,
    faults=("fixed-patterns", "leaky-split", "rgb-images"),
    cells=cells,
    layout="classes",
)
