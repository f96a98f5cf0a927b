"""Table 3 and Figure 3: accuracy under FGSM over epsilon; and what Tables 3 and 4 share."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pandas as pd

from mri_robust.attacks.evasion.fgsm import FGSM
from mri_robust.core.errors import UserError
from mri_robust.evaluation.gallery import Gallery
from mri_robust.evaluation.robustness import UnderAttack
from mri_robust.study import zoo
from mri_robust.study.config import Config
from mri_robust.study.experiment import Experiment, Tasks
from mri_robust.study.protocol import NORMALISED_BOUNDS, STUDY_TEST_IMAGES, normalised_to_pixels

EPSILONS = (0.1, 0.01, 0.005, 0.002, 0.001)
"""Sizes as the study prints them, in normalised units."""
PICTURED = {"linf": 0.1, "l2": 4.0}
"""Norm -> a size that an eye sees, last in the gallery."""
NUMBERS = {
    "cnn_clean": (0.0, 0.07, 0.23, 0.61, 0.81),
    "cnn_fgsm": (0.82, 0.84, 0.86, 0.87, 0.87),
    "cnn_pgd": (0.46, 0.84, 0.88, 0.87, 0.9),
    "resnet_pgd": (0.67, 0.93, 0.98, 0.96, 0.96),
    "ensemble": (0.76, 0.97, 0.98, 0.98, 0.98),
}
NUMBERS["cnn_raw"] = NUMBERS["cnn_clean"]
MODELS = {make.__name__: make for make in (zoo.cnn_clean, zoo.cnn_fgsm, zoo.cnn_pgd, zoo.resnet_pgd, zoo.ensemble)}
FAULTS = (
    *("epsilon-normalised", "clamp-normalised", "partial-test-set", "train-mode-attack", "own-image-per-member"),
    *("raw-inputs", "leaky-split", "rgb-images"),
)


def published(config: Config) -> pd.DataFrame:
    """Table 3; the sizes in pixels, as this protocol counts them."""
    return pd.DataFrame(
        [
            {"model": model, "epsilon": _pixels(eps, model), "printed": f"{eps:g}", "paper": number}
            for model, numbers in NUMBERS.items()
            for eps, number in zip(EPSILONS, numbers, strict=True)
        ]
    ).assign(attack="fgsm", norm="linf", metric="accuracy", **{"class": ""})


def tasks(config: Config) -> Tasks:
    """One evaluation per model, and the pictures of Figure 3."""
    if config.sound:
        epsilons, norm = config.scale.epsilons, config.scale.norm
        if norm == "l2" and config.engine == "torchattacks":
            raise UserError("torchattacks has no FGSM in L2: use --engine native or art")
        printed = map(normalised_to_pixels, EPSILONS) if config.as_printed else ()
        attacks = (None, *(FGSM(eps, norm=norm) for eps in (*printed, *reversed(epsilons))))
        pictured = (FGSM(eps, norm=norm) for eps in (*epsilons, PICTURED[norm]))
        return sound_tasks(config, attacks, config.test_images, pictured)

    def attacks_on(model: str) -> list[FGSM]:
        bounds = (0.0, 1.0) if model == "cnn_raw" else NORMALISED_BOUNDS
        return [FGSM(_pixels(eps, model), bounds=bounds) for eps in EPSILONS]

    return paper_tasks(config, attacks_on, config.test_images, reversed(attacks_on("cnn_clean")))


def sound_tasks(config: Config, attacks: Sequence[Any], images: int, pictured: Iterable[Any]) -> Tasks:
    """Sizes in pixels, the same images for all models; the ensemble attacked through its summed logits."""
    how: dict[str, Any] = {"engine": config.engine, "region": config.scale.region, "seed": config.seed}
    asked = UnderAttack(tuple(attacks), config.most(images), leak_free=True, **how)
    models = config.models or zoo.attacked_models(config)
    return [*((model, asked) for model in models), (models[0], Gallery(tuple(pictured), **how))]


def paper_tasks(config: Config, attacks_on: Callable[[str], list[Any]], images: int, pictured: Iterable[Any]) -> Tasks:
    """As the study ran it: clamped to [0, 1] in the model's own units, and the defended models on 256 images.

    `attacks_on` gives the attacks on a model by its id, `images` is how many CNN_clean saw, `pictured` the figure's.
    """
    how: dict[str, Any] = {"engine": config.engine, "seed": config.seed}
    found: Tasks = []
    for model, make in {**MODELS, "cnn_raw": zoo.cnn_raw}.items():
        count = config.most(images if model in ("cnn_clean", "cnn_raw") else STUDY_TEST_IMAGES)
        asked = UnderAttack((None, *attacks_on(model)), count, each_member=model == "ensemble", **how)
        found.append((make(config), asked))
    return [*found, (zoo.cnn_clean(config), Gallery(tuple(pictured), **how))]


def _pixels(eps: float, model: str) -> float:
    """A printed size in pixels; the model without normalisation counted in pixels from the start."""
    return eps if model == "cnn_raw" else normalised_to_pixels(eps)


EXPERIMENT = Experiment(
    name="fgsm",
    title="Accuracy under FGSM over epsilon",
    reference="section 6.2, Table 3, Figure 3",
    tasks=tasks,
    row_key=("attack", "norm", "region", "epsilon"),
    columns="model",
    models=tuple(MODELS),
    published=published,
    faults=FAULTS,
    threats=("evasion", "unequal-classes"),
    finished=True,
)
