"""Figure 5: CNNs trained with DrunkOptimizer of rising strength."""

from __future__ import annotations

import pandas as pd

from mri_robust.evaluation.attacked_training import ClassReport
from mri_robust.study import zoo
from mri_robust.study.config import Config
from mri_robust.study.experiment import Experiment, Tasks

STRENGTHS = tuple(range(1, 10))


def published(config: Config) -> pd.DataFrame:
    """Test accuracy after five epochs, from the authors' public notebooks."""
    labels = {"model": "cnn_drunk", "start": "cnn_clean", "metric": "accuracy", "class": "", "epoch": None}
    paper = [0.96 if strength == 1 else 0.31 for strength in STRENGTHS]
    numbers = {"scale_strength": STRENGTHS, "perturbation": STRENGTHS, "printed": map(str, STRENGTHS), "paper": paper}
    return pd.DataFrame(numbers).assign(**labels)


def tasks(config: Config) -> Tasks:
    """Scale and perturbation together at 1 to 9; sound: also apart, and from scratch, beside strength 0."""
    strengths = [(s, s) for s in ((0, *STRENGTHS) if config.sound else STRENGTHS)]
    some = config.scale.strengths if config.sound else ()
    apart = [*((s, 0) for s in some), *((0, s) for s in some)]
    models = [zoo.cnn_drunk(config, *each) for each in (*strengths, *apart)]
    if config.sound:
        models += [zoo.cnn_drunk(config, s, s, fine_tuned=False) for s in (0, *some)]
    asked = ClassReport(attack="drunk-optimizer", seed=config.seed, leak_free=config.sound)
    return [(model, asked) for model in models]


EXPERIMENT = Experiment(
    name="drunk-sweep",
    title="Training with DrunkOptimizer over strength",
    reference="section 6.5, Figure 5",
    tasks=tasks,
    row_key=("start", "scale_strength", "perturbation"),
    models=("cnn_drunk",),
    published=published,
    faults=("ascent", "plateau-of-accuracy", "leaky-split", "rgb-images"),
    threats=("noisy-training",),
)
