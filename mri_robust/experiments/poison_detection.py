"""Detectors of poison on the backdoored CNNs, and on the clean one, where all that they flag is wrong."""

from __future__ import annotations

from mri_robust.evaluation.poison_detection import PoisonDetection
from mri_robust.evaluation.snooping import CHOSEN, HALF
from mri_robust.study import zoo
from mri_robust.study.config import Config
from mri_robust.study.experiment import Experiment, Tasks
from mri_robust.study.recipe import Recipe


def tasks(config: Config) -> Tasks:
    """Every backdoored CNN and the clean one; under the paper's protocol the study's own poisoning alone of these."""
    victims: list[tuple[Recipe, str]] = [(zoo.cnn_backdoor(config), "creeper")]
    if config.sound:
        victims += [(zoo.cnn_badnets(config, share), "badnets") for share in zoo.BADNETS_SHARES]
    victims.append((zoo.cnn_clean(config), "none"))
    detector = zoo.resnet18_snoop(config, zoo.ALL_SIZES)
    threshold = CHOSEN if config.sound else HALF
    how = {"attack": "", "threshold": threshold, "seed": config.seed}
    return [
        (victim, PoisonDetection(config.target, detector, config.attacked, **{**how, "attack": attack}))  # type: ignore[arg-type]
        for victim, attack in victims
    ]


EXPERIMENT = Experiment(
    name="poison-detection",
    title="Detectors of poison on the backdoored CNN",
    reference="beyond the study",
    tasks=tasks,
    row_key=("attack", "share", "detector", "rule", "set"),
    models=("cnn_backdoor", "cnn_badnets", "cnn_clean"),
    threats=("poison-detection",),
    beyond=True,
)
