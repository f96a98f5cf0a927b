"""Attacked images saved and read again: what reaches a model that reads files, not the attacker's tensors.

Under half a grey level, as most of the study's epsilons are, a change is gone in any file of 8 bits.
"""

from dataclasses import replace
from typing import Any

from mri_robust.attacks.evasion.apgd import APGD
from mri_robust.attacks.evasion.fgsm import FGSM
from mri_robust.attacks.evasion.grid_pgd import GridPGD
from mri_robust.attacks.evasion.pgd import PGD
from mri_robust.data.storage import readable
from mri_robust.evaluation.storage import Storage
from mri_robust.experiments import fgsm, pgd
from mri_robust.experiments.artefacts import MODELS
from mri_robust.study.config import Config
from mri_robust.study.epsilon import usual
from mri_robust.study.experiment import Experiment, Tasks
from mri_robust.study.protocol import normalised_to_pixels
from mri_robust.study.scale import Scale

HALF_A_GREY = 0.5 / 255


def tasks(config: Config) -> Tasks:
    """The study's attacks of under half a grey level on its models, and everybody's at the scale's epsilons."""
    scale, study = config.scale, under_half_a_grey() if config.as_printed else []
    usual_size = min(scale.epsilons, key=lambda eps: abs(eps - usual(scale.norm)))
    attacks = tuple(each for eps in scale.epsilons for each in attacks_at(eps, scale))
    shown = (*study[:1], *(each for each in attacks if isinstance(each, PGD) and each.eps == usual_size))
    how: dict[str, Any] = {"formats": readable(), "seed": config.seed, "leak_free": config.sound}
    asked = Storage((*study, *attacks), config.attacked, **how)
    first, *others = config.models or [make(config) for make in MODELS]
    return [(first, replace(asked, pictured=shown)), *((model, asked) for model in others)]


def attacks_at(eps: float, scale: Scale) -> list[Any]:
    """The attacks of one size; in L-inf also the one on the grid of what 8 bits can hold."""
    how: dict[str, Any] = {"steps": scale.steps, "norm": scale.norm}
    on_grid = [GridPGD(eps, steps=scale.steps)] if scale.norm == "linf" else []
    return [FGSM(eps, norm=scale.norm), PGD(eps, **how), APGD(eps, **how), *on_grid]


def under_half_a_grey() -> list[Any]:
    """The attacks of Tables 3 and 4 whose epsilon in pixels is under half a grey level."""
    pixels = normalised_to_pixels
    table_4 = [PGD(pixels(eps), alpha=pixels(alpha), steps=steps) for eps, alpha, steps in pgd.ROWS.values()]
    table_3 = [FGSM(pixels(eps)) for eps in fgsm.EPSILONS]
    return [each for each in (*table_3, *table_4) if each.eps < HALF_A_GREY]


EXPERIMENT = Experiment(
    name="storage",
    title="Attacked images saved and read again",
    tasks=tasks,
    row_key=("attack", "norm", "epsilon", "alpha", "steps", "stored"),
    columns="stored",
    models=tuple(make.__name__ for make in MODELS),
    threats=("evasion",),
    finished=True,
)
