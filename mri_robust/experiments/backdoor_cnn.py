"""Table 1 and Figure 2: the CNN with a backdoor."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import pandas as pd

from mri_robust.evaluation.attacked_training import TESTS, BackdoorTest
from mri_robust.study import zoo
from mri_robust.study.config import Config
from mri_robust.study.experiment import Experiment, Tasks, class_table
from mri_robust.study.recipe import Recipe


def published(config: Config) -> pd.DataFrame:
    """Table 1, on the study's poisoned test set."""
    classes = {
        "glioma": (0.54, 0.41, 0.47),
        "meningioma": (0.34, 0.62, 0.44),
        "notumor": (0.01, 0.01, 0.01),
        "pituitary": (0.72, 0.57, 0.64),
    }
    return class_table(0.37, classes, model="cnn_backdoor", test="mix")


def tasks(config: Config) -> Tasks:
    """The study's poisoning; under the sound protocol also BadNets, and the attack success rate."""
    return backdoor_tests(config, victims(config), paper="mix")


def backdoor_tests(config: Config, victims: Sequence[tuple[Recipe, str]], paper: str) -> Tasks:
    """One evaluation per (model, how it was poisoned); under the paper's protocol on the test images `paper` alone."""
    asked = partial(BackdoorTest, config.target, TESTS if config.sound else (paper,))
    return [(victim, asked(attack, seed=config.seed, leak_free=config.sound)) for victim, attack in victims]


def victims(config: Config) -> list[tuple[Recipe, str]]:
    """Every backdoored CNN and how it was poisoned; under the paper's protocol the study's own poisoning alone."""
    shares = zoo.BADNETS_SHARES if config.sound else ()
    return [(zoo.cnn_backdoor(config), "creeper"), *((zoo.cnn_badnets(config, share), "badnets") for share in shares)]


EXPERIMENT = Experiment(
    name="backdoor-cnn",
    title="Backdoor in the CNN",
    reference="section 6.1, Table 1, Figure 2",
    tasks=tasks,
    row_key=("share", "test", "class"),
    models=("cnn_backdoor", "cnn_badnets"),
    published=published,
    faults=("frozen-augmentation", "no-asr", "leaky-split", "rgb-images"),
    threats=("backdoor",),
)
