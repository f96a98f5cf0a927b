"""Table 1 and Figure 2: the CNN with a backdoor."""

from __future__ import annotations

import pandas as pd

from mri_robust.evaluation.backdoor import BackdoorTest
from mri_robust.study import zoo
from mri_robust.study.config import Config
from mri_robust.study.experiment import Experiment, Tasks, class_table


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
    study = zoo.cnn_backdoor(config)
    if not config.sound:
        return [(study, BackdoorTest(config.target, tests=("mix",), seed=config.seed))]
    asked = {name: BackdoorTest(config.target, attack=name, seed=config.seed, leak_free=True) for name in NAMES}
    badnets = [(zoo.cnn_badnets(config, share), asked["badnets"]) for share in zoo.BADNETS_SHARES]
    return [(study, asked["creeper"]), *badnets]


NAMES = ("creeper", "badnets")
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
