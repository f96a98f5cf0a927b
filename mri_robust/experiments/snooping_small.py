"""Table 8: a snooping detector trained and tested on small patterns."""

from __future__ import annotations

from mri_robust.study.snooping import MODEL, snooping_experiment
from mri_robust.study.training_time import class_table
from mri_robust.zoo import resnet18_snoop

EXPERIMENT = snooping_experiment(
    "snooping-small",
    "Table 8",
    "Snooping, trained on small patterns",
    recipe=lambda setting: resnet18_snoop.recipe(setting, ("small",)),
    paper=class_table(MODEL, 0.82, no_pattern=(0.76, 0.94, 0.84), pattern=(0.92, 0.71, 0.8)),
)
