"""Where an attack has to change the image: anywhere, in the head, in the background, or in a frame along the edges.

Who fools a model by the background alone shows that it looks at what is no anatomy.
"""

from dataclasses import replace

from mri_robust.data import REGIONS
from mri_robust.experiments.worst_case import worst_case
from mri_robust.study import zoo
from mri_robust.study.config import Config
from mri_robust.study.experiment import Experiment, Tasks


def tasks(config: Config) -> Tasks:
    """The worst case in every region, for a plain and a robust model; without a region it is the plain worst case."""
    models = config.models or (zoo.cnn_clean(config), zoo.cnn_pgd(config))
    return [(model, replace(worst_case(config), region=region)) for model in models for region in REGIONS]


EXPERIMENT = Experiment(
    name="regions",
    title="The worst case where only a part of the image may change",
    tasks=tasks,
    row_key=("attack", "norm", "region", "epsilon", "after"),
    columns="model",
    models=("cnn_clean", "cnn_pgd"),
    threats=("evasion",),
    finished=True,
)
