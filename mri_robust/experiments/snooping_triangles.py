"""Table 9: the detector of Table 8, tested on small triangles."""

from __future__ import annotations

from mri_robust.study.snooping import MODEL, snooping_experiment
from mri_robust.study.training_time import class_table
from mri_robust.zoo import resnet18_snoop

EXPERIMENT = snooping_experiment(
    "snooping-triangles",
    "Table 9",
    "Snooping, tested on triangles",
    recipe=lambda setting: resnet18_snoop.recipe(setting, ("small",)),
    paper=class_table(MODEL, 0.8, no_pattern=(0.73, 0.94, 0.82), pattern=(0.91, 0.66, 0.77)),
    shapes=("triangle",),
)
