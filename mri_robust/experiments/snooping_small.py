"""Table 8: a snooping detector trained and tested on small patterns; and what Tables 7 to 9 share."""

from collections.abc import Mapping

from mri_robust.attacks.poisoning.patterns import SHAPES, Patterns
from mri_robust.evaluation.detectors import HALF, SnoopingTest
from mri_robust.study import zoo
from mri_robust.study.config import Config
from mri_robust.study.experiment import Experiment, Tasks, class_table


def snooping_experiment(
    name: str,
    table: str,
    title: str,
    *,
    sizes: tuple[str, ...],
    accuracy: float,
    classes: Mapping[str, tuple[float, float, float]],
    shapes: tuple[str, ...] = SHAPES,
) -> Experiment:
    """One of the study's tables (`Table 7`) of a detector that is trained on patterns of `sizes`.

    It is tested on one small pattern of `shapes` per image, half of the images stamped. Sound: also at the threshold
    chosen on validation, and on the creeper trigger, which it never saw. For the study's numbers see `class_table`.
    """

    def tasks(config: Config) -> Tasks:
        patterns = Patterns(sizes=("small",), shapes=shapes, most=1, canvas=zoo.pattern_canvas(config))
        asked = SnoopingTest(patterns, fixed=not config.sound, whole=config.sound, seed=config.seed)
        return [(zoo.resnet18_snoop(config, sizes), asked)]

    numbers = class_table(accuracy, classes, model=zoo.SNOOP_MODEL, attack="patterns", threshold=HALF)
    return Experiment(
        name=name,
        title=title,
        reference=f"section 6.6, {table}",
        tasks=tasks,
        row_key=("test", "threshold", "class"),
        models=(zoo.SNOOP_MODEL,),
        published=lambda config: numbers,
        faults=("fixed-patterns", "leaky-split", "rgb-images"),
        threats=("trigger-detection",),
    )


EXPERIMENT = snooping_experiment(
    "snooping-small",
    "Table 8",
    "Snooping, trained on small patterns",
    sizes=("small",),
    accuracy=0.82,
    classes={"no_pattern": (0.76, 0.94, 0.84), "pattern": (0.92, 0.71, 0.8)},
)
