"""Table 3 and Figure 3: accuracy under FGSM over epsilon."""

from __future__ import annotations

from typing import Any

import pandas as pd

from mri_robust.attacks.evasion.fgsm import FGSM
from mri_robust.evaluation.gallery import Gallery
from mri_robust.evaluation.robustness import UnderAttack
from mri_robust.study import zoo
from mri_robust.study.config import Config
from mri_robust.study.experiment import Experiment, Tasks
from mri_robust.study.protocol import NORMALISED_BOUNDS, STUDY_TEST_IMAGES, normalised_to_pixels

EPSILONS = (0.1, 0.01, 0.005, 0.002, 0.001)
"""Sizes as the study prints them, in normalised units."""
PICTURED = 0.1
"""A size in pixels that an eye sees, last in the gallery."""
NUMBERS = {
    "cnn_clean": (0.0, 0.07, 0.23, 0.61, 0.81),
    "cnn_fgsm": (0.82, 0.84, 0.86, 0.87, 0.87),
    "cnn_pgd": (0.46, 0.84, 0.88, 0.87, 0.9),
    "resnet_pgd": (0.67, 0.93, 0.98, 0.96, 0.96),
    "ensemble": (0.76, 0.97, 0.98, 0.98, 0.98),
}
NUMBERS["cnn_raw"] = NUMBERS["cnn_clean"]


def published(config: Config) -> pd.DataFrame:
    """Table 3; the sizes in pixels, as this protocol counts them."""
    return pd.DataFrame(
        [
            {"model": model, "attack": "fgsm", "epsilon": _pixels(eps, model), "metric": "accuracy", "class": ""}
            | {"printed": f"{eps:g}", "paper": number}
            for model, numbers in NUMBERS.items()
            for eps, number in zip(EPSILONS, numbers, strict=True)
        ]
    )


def tasks(config: Config) -> Tasks:
    """One evaluation per model, and the pictures of Figure 3."""
    return _sound(config) if config.sound else _paper(config)


def _sound(config: Config) -> Tasks:
    """Sizes in pixels, the whole test set; the ensemble attacked through its summed logits."""
    printed = () if config.models else (normalised_to_pixels(eps) for eps in EPSILONS)
    attacks = (None, *map(FGSM, printed), *map(FGSM, reversed(config.scale.epsilons)))
    asked = UnderAttack(
        attacks, config.most(config.test_images), engine=config.engine, seed=config.seed, leak_free=True
    )
    models = config.models or zoo.attacked_models(config)
    pictured = tuple(map(FGSM, (*config.scale.epsilons, PICTURED)))
    return [*((model, asked) for model in models), (models[0], Gallery(pictured, config.engine, seed=config.seed))]


def _paper(config: Config) -> Tasks:
    """As the study ran it: in the model's own units, clamped to [0, 1] there, the defended models on 256 images."""
    clean = zoo.cnn_clean(config)

    def asked(model: str, images: int, **how: Any) -> UnderAttack:
        bounds = (0.0, 1.0) if model == "cnn_raw" else NORMALISED_BOUNDS
        attacks = (None, *(FGSM(_pixels(eps, model), bounds=bounds) for eps in EPSILONS))
        return UnderAttack(attacks, config.most(images), engine=config.engine, seed=config.seed, **how)

    defended = (zoo.cnn_fgsm, zoo.cnn_pgd, zoo.resnet_pgd)
    pictured = tuple(FGSM(normalised_to_pixels(eps), bounds=NORMALISED_BOUNDS) for eps in reversed(EPSILONS))
    return [
        (clean, asked("cnn_clean", config.test_images)),
        *((make(config), asked(make.__name__, STUDY_TEST_IMAGES)) for make in defended),
        (zoo.ensemble(config), asked("ensemble", STUDY_TEST_IMAGES, each_member=True)),
        (zoo.cnn_raw(config), asked("cnn_raw", config.test_images)),
        (clean, Gallery(pictured, config.engine, seed=config.seed)),
    ]


def _pixels(eps: float, model: str) -> float:
    """A printed size in pixels; the model without normalisation counted in pixels from the start."""
    return eps if model == "cnn_raw" else normalised_to_pixels(eps)


EXPERIMENT = Experiment(
    name="fgsm",
    title="Accuracy under FGSM over epsilon",
    reference="section 6.2, Table 3, Figure 3",
    tasks=tasks,
    row_key=("attack", "epsilon"),
    columns="model",
    models=("cnn_clean", "cnn_fgsm", "cnn_pgd", "resnet_pgd", "ensemble"),
    published=published,
    faults=(
        "epsilon-normalised",
        "clamp-normalised",
        "partial-test-set",
        "train-mode-attack",
        "own-image-per-member",
        "raw-inputs",
        "leaky-split",
        "rgb-images",
    ),
    threats=("evasion",),
    finished=True,
)
