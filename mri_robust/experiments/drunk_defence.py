"""Figure 6: a clean, an attacked and a defended training."""

import pandas as pd

from mri_robust.evaluation.attacked_training import ClassReport
from mri_robust.study import zoo
from mri_robust.study.config import Config
from mri_robust.study.experiment import Experiment, Tasks
from mri_robust.study.zoo import DRUNK_STRENGTH

CLIP_NORM = 1.0


def published(config: Config) -> pd.DataFrame:
    """Test accuracy after five epochs, from the authors' public notebooks."""
    rows = [
        {"model": "cnn_drunk", "scale_strength": 0, "printed": "clean", "paper": 0.89},
        {"model": "cnn_drunk", "scale_strength": DRUNK_STRENGTH, "printed": "attacked", "paper": 0.31},
        {"model": "cnn_drunk_defended", "scale_strength": DRUNK_STRENGTH, "printed": "defended", "paper": 0.96},
    ]
    return pd.DataFrame(rows).assign(metric="accuracy", **{"class": ""}, clip_norm=None, epoch=None)


def tasks(config: Config) -> Tasks:
    """The study's three trainings; sound: also the noise without an attack, and with gradient clipping."""
    models = [zoo.cnn_drunk(config, strength, strength) for strength in (0, DRUNK_STRENGTH)]
    models.append(zoo.cnn_drunk_defended(config))
    if config.sound:
        models += [zoo.cnn_drunk_defended(config, clip_norm=CLIP_NORM), zoo.cnn_drunk_defended(config, attacked=False)]
    asked = ClassReport(attack="drunk-optimizer", seed=config.seed, leak_free=config.sound)
    return [(model, asked) for model in models]


EXPERIMENT = Experiment(
    name="drunk-defence",
    title="Training with DrunkOptimizer, clean, attacked and defended",
    reference="section 6.5, Figure 6",
    tasks=tasks,
    row_key=("scale_strength", "perturbation", "noise", "clip_norm"),
    models=("cnn_drunk", "cnn_drunk_defended"),
    published=published,
    faults=("ascent", "reused-optimizer", "plateau-of-accuracy", "leaky-split", "rgb-images"),
    threats=("noisy-training",),
)
