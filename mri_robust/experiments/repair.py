"""The backdoored CNNs before and after repairs; the oracle, which knows the poison, bounds what removal can do."""

from __future__ import annotations

from mri_robust.defences.fine_pruning import FinePruning
from mri_robust.evaluation.repair import Repair
from mri_robust.study import zoo
from mri_robust.study.config import Config
from mri_robust.study.experiment import Experiment, Tasks
from mri_robust.study.recipe import Recipe

TRUSTED_SHARE = 0.1
"""Of the training images, how many clean ones the repairer has."""
DROP = 0.04
"""How far pruning may lower the accuracy on them."""
TUNING_EPOCHS = 10


def tasks(config: Config) -> Tasks:
    """Every backdoored CNN; under the paper's protocol the study's own poisoning alone."""
    victims: list[tuple[Recipe, str]] = [(zoo.cnn_backdoor(config), "creeper")]
    if config.sound:
        victims += [(zoo.cnn_badnets(config, share), "badnets") for share in zoo.BADNETS_SHARES]
    return [(victim, _asked(config, victim, attack)) for victim, attack in victims]


def _asked(config: Config, victim: Recipe, attack: str) -> Repair:
    pruning = FinePruning(
        drop=DROP, epochs=TUNING_EPOCHS, batch_size=victim.batch_size, learning_rate=victim.learning_rate
    )
    images = min(victim.train_images or config.train_images, config.train_images)
    trusted = round(TRUSTED_SHARE * images)
    how = {"seed": config.seed, "leak_free": config.sound}
    return Repair(config.target, trusted, config.attacked, pruning, attack=attack, **how)  # type: ignore[arg-type]


EXPERIMENT = Experiment(
    name="repair",
    title="Repairs of the backdoored CNN",
    reference="beyond the study",
    tasks=tasks,
    row_key=("attack", "share", "repair"),
    models=("cnn_backdoor", "cnn_badnets"),
    threats=("backdoor-repair",),
    beyond=True,
)
