"""Table 2: ResNet-50 with a backdoor."""

import pandas as pd

from mri_robust.experiments.backdoor_cnn import backdoor_tests
from mri_robust.study import zoo
from mri_robust.study.config import Config
from mri_robust.study.experiment import Experiment, Tasks, class_table


def published(config: Config) -> pd.DataFrame:
    """Table 2. It was read off the clean test images, fault `clean-loader-table2`; sound compares the poisoned mix."""
    classes = {
        "glioma": (0.79, 0.84, 0.81),
        "meningioma": (0.6, 0.96, 0.74),
        "notumor": (1.0, 0.54, 0.7),
        "pituitary": (0.98, 0.93, 0.95),
    }
    return class_table(0.79, classes, model="resnet50_backdoor", test="mix" if config.sound else "clean")


def tasks(config: Config) -> Tasks:
    """The study's poisoning; under the sound protocol of the larger scales also BadNets."""
    shares = zoo.BADNETS_SHARES if config.sound and config.scale.strong else ()
    badnets = ((zoo.resnet50_badnets(config, share), "badnets") for share in shares)
    return backdoor_tests(config, [(zoo.resnet50_backdoor(config), "creeper"), *badnets], paper="clean")


EXPERIMENT = Experiment(
    name="backdoor-resnet50",
    title="Backdoor in ResNet-50",
    reference="section 6.1, Table 2",
    tasks=tasks,
    row_key=("share", "test", "class"),
    models=("resnet50_backdoor", "resnet50_badnets"),
    published=published,
    faults=("frozen-augmentation", "no-asr", "clean-loader-table2", "leaky-split", "rgb-images"),
    threats=("backdoor",),
)
