"""Table 4 and Figure 4: accuracy under PGD over epsilon, step size and steps."""

import pandas as pd

from mri_robust.attacks.evasion.pgd import PGD
from mri_robust.experiments.fgsm import FAULTS, PICTURED, paper_tasks, sound_tasks
from mri_robust.study.config import Config
from mri_robust.study.experiment import Experiment, Tasks
from mri_robust.study.protocol import NORMALISED_BOUNDS, STUDY_TEST_IMAGES, normalised_to_pixels

ROWS = {
    "0.3 / 0.008 / 20": (0.3, 2 / 255, 20),
    "0.01 / 0.001 / 5": (0.01, 0.001, 5),
    "0.01 / 0.0005 / 5": (0.01, 0.0005, 5),
    "0.01 / 0.0001 / 5": (0.01, 0.0001, 5),
}
"""As the study prints them, with 2/255 as .008 -> (epsilon, alpha, steps) in normalised units."""
WIDE = 0.05
"""The epsilon of ResNet_PGD and the ensemble, printed as .01: fault `pgd-epsilon-05`."""
WIDE_MODELS = ("resnet_pgd", "ensemble")
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
        for (printed, row), number in zip(ROWS.items(), numbers, strict=True):
            attack = _attack(config, model, *row)
            sizes = {"epsilon": attack.eps, "alpha": attack.step_size, "steps": attack.steps}
            rows.append({"model": model, **sizes, "printed": printed, "paper": number})
    table = pd.DataFrame(rows).dropna(ignore_index=True)
    return table.assign(attack="pgd", norm="linf", metric="accuracy", **{"class": ""})


def tasks(config: Config) -> Tasks:
    """One evaluation per model, and the pictures of Figure 4; the sizes of the field where the study printed none."""
    if config.sound:
        scale = config.scale
        pictured = [PGD(eps, steps=STEPS, norm=scale.norm) for eps in (*scale.epsilons, PICTURED[scale.norm])]
        own = [PGD(eps, steps=scale.steps, norm=scale.norm) for eps in scale.epsilons]
        attacks = _attacks(config, "cnn_clean") if config.as_printed else own
        return sound_tasks(config, (None, *attacks), config.attacked, pictured)
    images = config.test_images if config.scale.attack_share == 1 else STUDY_TEST_IMAGES
    pictured = [_normalised(eps, 0.001, 5) for eps in (0.001, 0.005, 0.01, 0.1, 0.3)]
    return paper_tasks(config, lambda model: _attacks(config, model), images, pictured)


def _attacks(config: Config, model: str) -> list[PGD]:
    """The study's rows as this protocol runs them on a model; two models never saw the first one."""
    skipped = 1 if not config.sound and model in WIDE_MODELS else 0
    return [_attack(config, model, *row) for row in list(ROWS.values())[skipped:]]


def _attack(config: Config, model: str, eps: float, alpha: float, steps: int) -> PGD:
    """A printed row as this protocol runs it on a model."""
    if config.sound:
        return PGD(normalised_to_pixels(eps), alpha=normalised_to_pixels(alpha), steps=steps)
    if model == "cnn_raw":
        return PGD(eps, alpha=alpha, steps=steps, clip="end")
    return _normalised(WIDE if model in WIDE_MODELS else eps, alpha, steps)


def _normalised(eps: float, alpha: float, steps: int) -> PGD:
    """PGD in normalised units, clamped to [0, 1] there, once at the end."""
    size, step = normalised_to_pixels(eps), normalised_to_pixels(alpha)
    return PGD(size, alpha=step, steps=steps, clip="end", bounds=NORMALISED_BOUNDS)


EXPERIMENT = Experiment(
    name="pgd",
    title="Accuracy under PGD over epsilon, step size and steps",
    reference="section 6.3, Table 4, Figure 4",
    tasks=tasks,
    row_key=("attack", "norm", "region", "epsilon", "alpha", "steps", "after"),
    columns="model",
    models=("cnn_clean", "cnn_pgd", "cnn_fgsm", "resnet_pgd", "ensemble"),
    published=published,
    faults=(*FAULTS, "pgd-epsilon-05"),
    threats=("evasion", "unequal-classes"),
    finished=True,
)
