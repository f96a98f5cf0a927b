"""Detectors of poison on the backdoored CNNs, and on the clean one, where all that they flag is wrong."""

from functools import partial

from mri_robust.evaluation.detectors import CHOSEN, HALF, PoisonDetection
from mri_robust.experiments.backdoor_cnn import victims
from mri_robust.study import zoo
from mri_robust.study.config import Config
from mri_robust.study.experiment import Experiment, Tasks


def tasks(config: Config) -> Tasks:
    """Every backdoored CNN and the clean one."""
    asked = partial(PoisonDetection, config.target, zoo.snooper(config, zoo.ALL_SIZES), config.attacked)
    threshold, suspects = CHOSEN if config.sound else HALF, [*victims(config), (zoo.cnn_clean(config), "none")]
    return [(suspect, asked(attack, threshold, seed=config.seed)) for suspect, attack in suspects]


EXPERIMENT = Experiment(
    name="poison-detection",
    title="Detectors of poison on the backdoored CNN",
    tasks=tasks,
    row_key=("attack", "share", "detector", "rule", "set"),
    models=("cnn_backdoor", "cnn_badnets", "cnn_clean"),
    threats=("poison-detection",),
)
