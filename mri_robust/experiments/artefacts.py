"""MRI artefacts beside the worst case: natural and adversarial robustness of the same models on the same images.

What a scanner or a patient does to an image is no attack: Article 15(4) of the AI Act asks for resilience against
errors, faults and inconsistencies, Article 15(5) for resilience against attacks.
"""

from mri_robust.evaluation.artefacts import Artefacts
from mri_robust.experiments.worst_case import worst_case
from mri_robust.study import zoo
from mri_robust.study.config import Config
from mri_robust.study.experiment import Experiment, Tasks

MODELS = (zoo.cnn_clean, zoo.cnn_pgd, zoo.resnet_clean, zoo.resnet_pgd)


def tasks(config: Config) -> Tasks:
    """All artefacts at all levels, and the worst case on the same images, for each model."""
    found: Tasks = []
    for model in config.models or [make(config) for make in MODELS]:
        spoilt = Artefacts(config.attacked, pictures=not found, seed=config.seed, leak_free=config.sound)
        found += [(model, worst_case(config)), (model, spoilt)]
    return found


EXPERIMENT = Experiment(
    name="artefacts",
    title="MRI artefacts beside the worst case",
    tasks=tasks,
    row_key=("attack", "severity", "norm", "region", "epsilon", "after"),
    columns="model",
    models=tuple(make.__name__ for make in MODELS),
    threats=("evasion", "unequal-classes", "artefacts"),
    finished=True,
)
