"""Randomised smoothing: what is certified over the L2 radius, and what an attack of that size leaves."""

from typing import Any

from mri_robust.attacks.evasion.pgd import PGD
from mri_robust.defences.smoothing import Smoothing
from mri_robust.evaluation.robustness import UnderAttack
from mri_robust.evaluation.smoothing import Bracket
from mri_robust.study import zoo
from mri_robust.study.config import Config
from mri_robust.study.epsilon import EPSILONS
from mri_robust.study.experiment import Experiment, Tasks

SIGMAS = (0.12, 0.25)
IMAGES = 128
"""Most images: each takes about 1100 passes for a certificate, and as many again for each radius of the attack."""


def tasks(config: Config) -> Tasks:
    """Each model as it is under L2 PGD, and smoothed: a user's own and CNN_clean with every sigma, a CNN that was
    trained with noise with that one. Radii that no certificate reaches are left out."""
    scale, images = config.scale, config.most(IMAGES)
    how: dict[str, Any] = {"seed": config.seed, "leak_free": config.sound}
    radii = scale.epsilons if scale.norm == "l2" else EPSILONS["l2"]
    smoothed = {}
    for sigma in SIGMAS:
        smoothing = Smoothing(sigma)
        reached = tuple(radius for radius in radii if radius < smoothing.largest)
        smoothed[sigma] = Bracket(smoothing, reached, images, steps=scale.steps, **how)
    attacks = [PGD(radius, steps=scale.steps, norm="l2") for radius in smoothed[max(SIGMAS)].radii]
    plain = UnderAttack((None, *attacks), images, **how)
    found: Tasks = []
    for model in config.models or (zoo.cnn_clean(config),):
        found += [(model, plain), *((model, each) for each in smoothed.values())]
    for sigma in SIGMAS if not config.models else ():
        found += [(zoo.cnn_noise(config, sigma), each) for each in (plain, smoothed[sigma])]
    return found


EXPERIMENT = Experiment(
    name="smoothing",
    title="Randomised smoothing between certificate and attack",
    tasks=tasks,
    row_key=("noise", "sigma", "attack", "norm", "epsilon"),
    models=("cnn_clean", "cnn_noise"),
    threats=("certified-defence",),
    finished=True,
)
