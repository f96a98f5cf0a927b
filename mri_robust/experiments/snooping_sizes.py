"""Table 7: a snooping detector trained on patterns of all sizes, tested on small ones."""

from __future__ import annotations

from mri_robust.study.snooping import MODEL, snooping_experiment
from mri_robust.study.training_time import class_table
from mri_robust.zoo import resnet18_snoop

EXPERIMENT = snooping_experiment(
    "snooping-sizes",
    "Table 7",
    "Snooping, trained on all sizes",
    recipe=lambda setting: resnet18_snoop.recipe(setting, ("small", "mid", "large")),
    paper=class_table(MODEL, 0.77, no_pattern=(0.68, 0.99, 0.81), pattern=(0.99, 0.54, 0.7)),
)
