"""Accuracy in the worst case: PGD with restarts, then what the budget has, each image at its worst."""

from functools import partial
from typing import Any

from mri_robust.evaluation.sanity import SanityChecks
from mri_robust.evaluation.worst_case import WorstCase
from mri_robust.study import zoo
from mri_robust.study.config import Config
from mri_robust.study.experiment import Experiment, Tasks


def worst_case(config: Config) -> WorstCase:
    """The one worst case: same attacks, in the same order, with the budget of the scale."""
    scale = config.scale
    how: dict[str, Any] = {"region": scale.region, "seed": config.seed, "leak_free": config.sound}
    asked = partial(WorstCase, scale.epsilons, config.attacked, steps=scale.steps, restarts=scale.restarts)
    return asked(budget=scale.budget, norm=scale.norm, **how)


def tasks(config: Config) -> Tasks:
    """The worst case and the sanity checks of every model."""
    models = config.models or zoo.attacked_models(config)
    checks = SanityChecks(seed=config.seed)
    return [*((model, worst_case(config)) for model in models), *((model, checks) for model in models)]


EXPERIMENT = Experiment(
    name="worst-case",
    title="Accuracy in the worst case over epsilon",
    reference="section 6.3, beyond the study",
    tasks=tasks,
    row_key=("attack", "norm", "region", "epsilon", "after"),
    columns="model",
    models=("cnn_clean", "cnn_fgsm", "cnn_pgd", "resnet_pgd", "ensemble"),
    threats=("evasion", "unequal-classes"),
    finished=True,
)
