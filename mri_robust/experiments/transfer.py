"""Examples of each model tried on each other, and those of a stolen copy: an attacker without the model's weights."""

from mri_robust.attacks.evasion.apgd import APGD
from mri_robust.attacks.evasion.attack import Attack
from mri_robust.attacks.evasion.pgd import PGD
from mri_robust.evaluation.extraction import Theft
from mri_robust.evaluation.transfer import Transfer
from mri_robust.experiments.extraction import BUDGETS, TRAINING, extraction
from mri_robust.study import zoo
from mri_robust.study.config import Config
from mri_robust.study.experiment import Experiment, Tasks
from mri_robust.study.recipe import Model

MODELS = (zoo.cnn_clean, zoo.cnn_pgd, zoo.resnet_clean)
"""One of another training and one of another architecture than the first."""
APGD_STEPS = 2.5
"""Steps of APGD per step of PGD: AutoAttack's 100 where PGD takes 40."""


def tasks(config: Config) -> Tasks:
    """One evaluation per target; sources are all the models, and where there are training images a copy."""
    scale, models = config.scale, tuple[Model, ...](config.models or [make(config) for make in MODELS])
    attacks: list[Attack] = [PGD(eps, steps=scale.steps, norm=scale.norm) for eps in scale.epsilons]
    attacks += [APGD(eps, steps=round(APGD_STEPS * scale.steps), norm=scale.norm) for eps in scale.epsilons]
    thefts: tuple[Theft, ...] = ()
    if config.train_images:
        attack = extraction(config, TRAINING, min(max(BUDGETS), config.train_images))
        thefts = (Theft("own code", attack), Theft("untrained copy"))
    asked = Transfer(tuple(attacks), config.attacked, models, thefts, seed=config.seed, leak_free=config.sound)
    return [(model, asked) for model in models]


EXPERIMENT = Experiment(
    name="transfer",
    title="Examples of one model tried on another, and of a stolen copy",
    tasks=tasks,
    row_key=("attack", "norm", "epsilon", "source"),
    columns="model",
    models=tuple(make.__name__ for make in MODELS),
    threats=("evasion", "transfer"),
    finished=True,
)
