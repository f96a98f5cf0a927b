"""Table 9: the detector of Table 8, tested on small triangles."""

from mri_robust.experiments.snooping_small import snooping_experiment

EXPERIMENT = snooping_experiment(
    "snooping-triangles",
    "Table 9",
    "Snooping, tested on triangles",
    sizes=("small",),
    accuracy=0.8,
    classes={"no_pattern": (0.73, 0.94, 0.82), "pattern": (0.91, 0.66, 0.77)},
    shapes=("triangle",),
)
