"""One perturbation for all images, by our code and ART's, over epsilon, its aim and the number of fitting images."""

from functools import partial

from mri_robust.attacks.evasion.universal import Universal
from mri_robust.evaluation.universal import Fitting, UniversalTest
from mri_robust.experiments.transfer import MODELS
from mri_robust.study.config import Config
from mri_robust.study.experiment import Experiment, Tasks

COUNTS = (16, 128, None)
"""Fitting images; None for all training images."""
ART_COUNT = 128
STEPS = 10
"""Mini-batches per step of the scale's PGD."""
SIZES = 3
"""So many of the scale's epsilons are asked, the largest: what is fitted to all images does little at smaller ones."""


def tasks(config: Config) -> Tasks:
    """One evaluation per model; without a class without a tumour there is none to aim at."""
    scale = config.scale
    aims = (False, True) if config.healthy and config.tumours else (False,)
    attack = partial(Universal, steps=STEPS * scale.steps, norm=scale.norm)
    fittings: list[Fitting] = []
    for eps in scale.epsilons[-SIZES:]:
        fittings += [Fitting(attack(eps, targeted=aim), count) for aim in aims for count in COUNTS]
        fittings += [Fitting(attack(eps), ART_COUNT, "art"), Fitting(attack(eps), 0)]
    target = config.target if True in aims else -1
    asked = UniversalTest(tuple(fittings), config.attacked, target, seed=config.seed, leak_free=config.sound)
    return [(model, asked) for model in config.models or [make(config) for make in MODELS]]


EXPERIMENT = Experiment(
    name="universal",
    title="One perturbation for all images",
    tasks=tasks,
    row_key=("attack", "engine", "norm", "epsilon", "target", "fitting_images"),
    columns="model",
    models=tuple(make.__name__ for make in MODELS),
    threats=("universal",),
    finished=True,
    needs_training=True,
)
