"""Table 4 and Figure 4: accuracy under PGD over epsilon, step size and steps."""

from __future__ import annotations

from typing import Any

import pandas as pd

from mri_robust.attacks.evasion.pgd import PGD
from mri_robust.evaluation.gallery import Gallery
from mri_robust.evaluation.robustness import UnderAttack
from mri_robust.study import zoo
from mri_robust.study.config import Config
from mri_robust.study.experiment import Experiment, Tasks
from mri_robust.study.protocol import NORMALISED_BOUNDS, STUDY_TEST_IMAGES, normalised_to_pixels

ROWS = ((0.3, 2 / 255, 20), (0.01, 0.001, 5), (0.01, 0.0005, 5), (0.01, 0.0001, 5))
"""(epsilon, alpha, steps) in normalised units."""
PRINTED = ("0.3 / 0.008 / 20", "0.01 / 0.001 / 5", "0.01 / 0.0005 / 5", "0.01 / 0.0001 / 5")
"""How the study prints them: 2/255 as .008."""
WIDE = 0.05
"""The epsilon of ResNet_PGD and the ensemble, printed as .01: fault `pgd-epsilon-05`."""
STEPS = 10
"""Of PGD as it is used without a thought, beside the study's own step counts; a step is a quarter of epsilon."""
NUMBERS: dict[str, tuple[float | None, ...]] = {
    "cnn_clean": (0.0, 0.1, 0.31, 0.86),
    "cnn_pgd": (0.5, 0.83, 0.9, 0.92),
    "cnn_fgsm": (None, 0.89, 0.87, 0.88),
    "resnet_pgd": (None, 0.96, 0.96, 0.96),
    "ensemble": (None, 0.96, 0.98, 0.99),
}
NUMBERS["cnn_raw"] = NUMBERS["cnn_clean"]


def published(config: Config) -> pd.DataFrame:
    """Table 4; sizes in pixels, as this protocol counts them."""
    rows = []
    for model, numbers in NUMBERS.items():
        for row, printed, number in zip(ROWS, PRINTED, numbers, strict=True):
            attack = _attack(config, model, *row)
            if number is not None:
                sizes = {"epsilon": attack.eps, "alpha": attack.step_size, "steps": attack.steps}
                where = {"model": model, "attack": "pgd", **sizes, "metric": "accuracy", "class": ""}
                rows.append({**where, "printed": printed, "paper": number})
    return pd.DataFrame(rows)


def tasks(config: Config) -> Tasks:
    """One evaluation per model, and the pictures of Figure 4."""
    return _sound(config) if config.sound else _paper(config)


def _sound(config: Config) -> Tasks:
    """The study's four rows in pixels; a user's own model at the sizes that the field asks about."""
    models = config.models or zoo.attacked_models(config)
    if config.models:
        attacks = tuple(PGD(eps, steps=config.scale.steps) for eps in config.scale.epsilons)
    else:
        attacks = tuple(_attack(config, "", *row) for row in ROWS)
    asked = UnderAttack((None, *attacks), config.attacked, engine=config.engine, seed=config.seed, leak_free=True)
    pictured = tuple(PGD(eps, steps=STEPS) for eps in (*config.scale.epsilons, 0.1))
    return [
        *((model, asked) for model in models),
        (models[0], Gallery(pictured, config.engine, seed=config.seed)),
    ]


def _paper(config: Config) -> Tasks:
    """As the study ran it: normalised units and clamp, 256 images, two models at .05."""
    everyone = config.test_images if config.scale.attack_share == 1 else STUDY_TEST_IMAGES

    def asked(model: str, images: int, **how: Any) -> UnderAttack:
        rows = [row for row, number in zip(ROWS, NUMBERS[model], strict=True) if number is not None or row != ROWS[0]]
        rows = rows if model in ("resnet_pgd", "ensemble") else list(ROWS)
        attacks = (None, *(_attack(config, model, *row) for row in rows))
        return UnderAttack(attacks, config.most(images), engine=config.engine, seed=config.seed, **how)

    clean, defended = zoo.cnn_clean(config), (zoo.cnn_pgd, zoo.cnn_fgsm, zoo.resnet_pgd)
    pictured = tuple(_normalised(eps, 0.001, 5) for eps in (0.001, 0.005, 0.01, 0.1, 0.3))
    return [
        (clean, asked("cnn_clean", everyone)),
        *((make(config), asked(make.__name__, STUDY_TEST_IMAGES)) for make in defended),
        (zoo.ensemble(config), asked("ensemble", STUDY_TEST_IMAGES, each_member=True)),
        (zoo.cnn_raw(config), asked("cnn_raw", everyone)),
        (clean, Gallery(pictured, config.engine, seed=config.seed)),
    ]


def _attack(config: Config, model: str, eps: float, alpha: float, steps: int) -> PGD:
    """A printed row as this protocol runs it on a model."""
    if config.sound:
        return PGD(normalised_to_pixels(eps), alpha=normalised_to_pixels(alpha), steps=steps)
    if model == "cnn_raw":
        return PGD(eps, alpha=alpha, steps=steps, clip="end")
    return _normalised(WIDE if model in ("resnet_pgd", "ensemble") else eps, alpha, steps)


def _normalised(eps: float, alpha: float, steps: int) -> PGD:
    """PGD in normalised units, clamped to [0, 1] there, once at the end."""
    sizes = {"alpha": normalised_to_pixels(alpha), "steps": steps}
    return PGD(normalised_to_pixels(eps), **sizes, clip="end", bounds=NORMALISED_BOUNDS)  # type: ignore[arg-type]


EXPERIMENT = Experiment(
    name="pgd",
    title="Accuracy under PGD over epsilon, step size and steps",
    reference="section 6.3, Table 4, Figure 4",
    tasks=tasks,
    row_key=("attack", "epsilon", "alpha", "steps", "after"),
    columns="model",
    models=("cnn_clean", "cnn_pgd", "cnn_fgsm", "resnet_pgd", "ensemble"),
    published=published,
    faults=(
        "epsilon-normalised",
        "clamp-normalised",
        "partial-test-set",
        "train-mode-attack",
        "own-image-per-member",
        "pgd-epsilon-05",
        "raw-inputs",
        "leaky-split",
        "rgb-images",
    ),
    threats=("evasion",),
    finished=True,
)
