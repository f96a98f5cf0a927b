"""Table 5: accuracy of CNNs trained with NoisyLoss."""

from __future__ import annotations

from itertools import product

import pandas as pd

from mri_robust.evaluation.attacked_training import ClassReport
from mri_robust.study import zoo
from mri_robust.study.config import Config
from mri_robust.study.experiment import Experiment, Tasks

ROWS = {(5, 0.1): 0.95, (5, 1.2): 0.96, (10, 2.0): 0.97}
"""(epochs, strength) -> the study's accuracy."""


def published(config: Config) -> pd.DataFrame:
    """Table 5, from CNN_clean under paper as the study ran it, from scratch under sound."""
    rows = [
        {"epochs": epochs, "strength": strength, "printed": f"{epochs} / {strength:g}", "paper": number}
        for (epochs, strength), number in ROWS.items()
    ]
    labels = {"start": "scratch" if config.sound else "cnn_clean", "augmentation": "none", "epoch": None}
    return pd.DataFrame(rows).assign(model="cnn_noisy", metric="accuracy", **labels, **{"class": ""})


def tasks(config: Config) -> Tasks:
    """Paper: started from CNN_clean. Sound: from scratch too, with and without augmentation, beside strength 0."""
    asked = ClassReport(attack="noisy-loss", seed=config.seed, leak_free=config.sound)
    longest, both = max(epochs for epochs, _ in ROWS), (False, True)
    found: Tasks = []
    for (epochs, strength), fine_tuned, augmented in product([*ROWS, (longest, 0.0)], both, both):
        plain = not fine_tuned and not augmented
        wanted = plain or config.scale.strong or (epochs == longest and strength > 0)
        if not config.sound:
            wanted = fine_tuned and not augmented and strength > 0
        if wanted:
            found.append((zoo.cnn_noisy(config, strength, epochs, fine_tuned=fine_tuned, augmented=augmented), asked))
    return found


EXPERIMENT = Experiment(
    name="noisy-loss",
    title="Training with NoisyLoss",
    reference="section 6.4, Table 5",
    tasks=tasks,
    row_key=("epochs", "strength", "start", "augmentation"),
    models=("cnn_noisy",),
    published=published,
    faults=("fine-tuned-start", "leaky-split", "rgb-images"),
    threats=("noisy-training",),
)
