"""The snooping detector on marks of every kind, also after JPEG."""

from mri_robust.attacks.poisoning.creeper import Creeper
from mri_robust.attacks.poisoning.marks import Blend, Square
from mri_robust.attacks.poisoning.patterns import SIZES, Patterns
from mri_robust.evaluation.detectors import CHOSEN, SnoopingTest
from mri_robust.study import zoo
from mri_robust.study.config import Config
from mri_robust.study.experiment import Experiment, Tasks

QUALITY = 90
"""Of the JPEG that images are saved as in the second test of each kind."""


def tasks(config: Config) -> Tasks:
    """Outlines of three sizes, a filled square, the creeper, and a faint pattern over the whole image."""
    canvas = zoo.pattern_canvas(config)
    outlines = [("patterns", f"{size} outlines", Patterns((size,), most=1, canvas=canvas)) for size in SIZES]
    others = (
        ("square", "filled square", Square(canvas=canvas)),
        ("creeper", "unseen creeper", Creeper()),
        ("blend", "10 % blend", Blend()),
    )
    asked = SnoopingTest((*outlines, *others), rules=(CHOSEN,), qualities=(0, QUALITY), seed=config.seed)
    return [(zoo.snooper(config, zoo.ALL_SIZES), asked)]


EXPERIMENT = Experiment(
    name="snooping-marks",
    title="Snooping, on marks of every kind",
    tasks=tasks,
    row_key=("test", "threshold", "class"),
    models=("resnet18_snoop", "patch_detector_snoop"),
    threats=("trigger-detection",),
)
