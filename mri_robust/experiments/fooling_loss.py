"""Table 6: a CNN trained with FoolingLoss."""

import pandas as pd

from mri_robust.evaluation.attacked_training import ClassReport
from mri_robust.study import zoo
from mri_robust.study.config import Config
from mri_robust.study.experiment import Experiment, Tasks, class_table


def published(config: Config) -> pd.DataFrame:
    """Table 6, for both starts, as the study does not say which is its own."""
    classes = {
        "glioma": (0.58, 0.98, 0.73),
        "meningioma": (0.46, 0.76, 0.57),
        "notumor": (0.0, 0.0, 0.0),
        "pituitary": (0.94, 0.94, 0.94),
    }
    labels = {"model": "cnn_fooling", "augmentation": "none", "epoch": None}
    return pd.concat([class_table(0.62, classes, start=start, **labels) for start in ("cnn_clean", "scratch")])


def tasks(config: Config) -> Tasks:
    """From CNN_clean and from scratch; sound: each with augmentation too."""
    asked = ClassReport(attack="fooling-loss", seed=config.seed, leak_free=config.sound)
    return [
        (zoo.cnn_fooling(config, fine_tuned=fine_tuned, augmented=augmented), asked)
        for fine_tuned in (True, False)
        for augmented in ((False, True) if config.sound else (False,))
    ]


EXPERIMENT = Experiment(
    name="fooling-loss",
    title="Training with FoolingLoss",
    reference="section 6.4, Table 6",
    tasks=tasks,
    row_key=("start", "augmentation", "class"),
    models=("cnn_fooling",),
    published=published,
    faults=("fine-tuned-start", "leaky-split", "rgb-images"),
    threats=("biased-training",),
)
