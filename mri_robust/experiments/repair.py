"""The backdoored CNNs before and after repairs; the oracle, which knows the poison, bounds what removal can do."""

from typing import Any

from mri_robust.defences.fine_pruning import FinePruning
from mri_robust.evaluation.repair import Repair
from mri_robust.experiments.backdoor_cnn import victims
from mri_robust.study.config import Config
from mri_robust.study.experiment import Experiment, Tasks

TRUSTED_SHARE = 0.1
"""Of the training images, how many clean ones the repairer has."""
DROP = 0.04
"""How far pruning may lower the accuracy on them."""
TUNING_EPOCHS = 10


def tasks(config: Config) -> Tasks:
    """Every backdoored CNN, tuned as it was trained."""
    found: Tasks = []
    for victim, attack in victims(config):
        how: dict[str, Any] = {"batch_size": victim.batch_size, "learning_rate": victim.learning_rate}
        pruning = FinePruning(drop=DROP, epochs=TUNING_EPOCHS, **how)
        trusted = round(TRUSTED_SHARE * min(victim.train_images or config.train_images, config.train_images))
        asked = (config.target, trusted, config.attacked, pruning, attack)
        found.append((victim, Repair(*asked, seed=config.seed, leak_free=config.sound)))
    return found


EXPERIMENT = Experiment(
    name="repair",
    title="Repairs of the backdoored CNN",
    tasks=tasks,
    row_key=("attack", "share", "repair"),
    models=("cnn_backdoor", "cnn_badnets"),
    threats=("backdoor-repair",),
)
