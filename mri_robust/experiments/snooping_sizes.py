"""Table 7: a snooping detector trained on patterns of all sizes, tested on small ones."""

from mri_robust.experiments.snooping_small import snooping_experiment
from mri_robust.study.zoo import ALL_SIZES

EXPERIMENT = snooping_experiment(
    "snooping-sizes",
    "Table 7",
    "Snooping, trained on all sizes",
    sizes=ALL_SIZES,
    accuracy=0.77,
    classes={"no_pattern": (0.68, 0.99, 0.81), "pattern": (0.99, 0.54, 0.7)},
)
