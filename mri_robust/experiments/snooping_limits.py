"""What the snooping detector cannot see: squares by size and contrast."""

from mri_robust.evaluation.detectors import SnoopingLimits
from mri_robust.study import zoo
from mri_robust.study.config import Config
from mri_robust.study.experiment import Experiment, Tasks

SIDES = (1, 2, 3, 4, 6, 8, 12, 16)
CONTRASTS = (0.05, 0.1, 0.2, 0.4)


def tasks(config: Config) -> Tasks:
    """One detector, on at most as many images as the costly attacks take."""
    asked = SnoopingLimits(SIDES, CONTRASTS, zoo.pattern_canvas(config), config.attacked, seed=config.seed)
    return [(zoo.snooper(config, zoo.ALL_SIZES), asked)]


EXPERIMENT = Experiment(
    name="snooping-limits",
    title="Snooping, squares by size and contrast",
    tasks=tasks,
    row_key=("side", "contrast"),
    models=("resnet18_snoop", "patch_detector_snoop"),
    threats=("trigger-detection",),
)
