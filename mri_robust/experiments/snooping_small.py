"""Table 8: a snooping detector trained and tested on small patterns; and what Tables 7 to 9 share."""

from collections.abc import Mapping

import pandas as pd

from mri_robust.attacks.poisoning.creeper import Creeper
from mri_robust.attacks.poisoning.patterns import SHAPES, Patterns
from mri_robust.evaluation.detectors import CHOSEN, HALF, SnoopingTest, SnoopingTrial
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

    It is tested on one small pattern of `shapes` per image, half of the images stamped. Sound: another detector, also
    at the threshold chosen on validation, and on the creeper trigger, which it never saw. For the study's numbers see
    `class_table`.
    """

    drawn = "patterns" if shapes == SHAPES else " and ".join(f"{shape}s" for shape in shapes)

    def tasks(config: Config) -> Tasks:
        patterns = Patterns(sizes=("small",), shapes=shapes, most=1, canvas=zoo.pattern_canvas(config))
        trials: tuple[SnoopingTrial, ...] = (("patterns", f"small {drawn}", patterns),)
        if not config.sound:
            return [(zoo.snooper(config, sizes), SnoopingTest(trials, fixed=True, seed=config.seed))]
        trials = (*trials, ("creeper", "unseen creeper", Creeper()))
        return [(zoo.snooper(config, sizes), SnoopingTest(trials, rules=(HALF, CHOSEN), seed=config.seed))]

    def published(config: Config) -> pd.DataFrame:
        return class_table(accuracy, classes, model=zoo.snooper(config, sizes).model, attack="patterns", threshold=HALF)

    return Experiment(
        name=name,
        title=title,
        reference=f"section 6.6, {table}",
        tasks=tasks,
        row_key=("test", "threshold", "class"),
        models=("resnet18_snoop", "patch_detector_snoop"),
        published=published,
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
