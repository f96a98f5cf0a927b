"""Table 2: ResNet-50 with a backdoor."""

from __future__ import annotations

from mri_robust.study.backdoor_cells import backdoor_cell
from mri_robust.study.backdoors import BADNETS_SHARES
from mri_robust.study.cell import Cell
from mri_robust.study.experiment import Experiment
from mri_robust.study.setting import Setting
from mri_robust.study.training_time import class_numbers, class_table
from mri_robust.zoo import resnet50_backdoor, resnet50_badnets

NAME = "backdoor-resnet50"
PAPER = class_table(
    "resnet50_backdoor",
    0.79,
    glioma=(0.79, 0.84, 0.81),
    meningioma=(0.6, 0.96, 0.74),
    notumor=(1.0, 0.54, 0.7),
    pituitary=(0.98, 0.93, 0.95),
)


def cells(setting: Setting) -> list[Cell]:
    """The study's poisoning; under the sound protocol of the larger scales also BadNets.

    The study's table was read off the clean test images, fault `clean-loader-table2`; the sound protocol sets the
    poisoned mix beside it.
    """
    numbers = class_numbers(PAPER, "resnet50_backdoor")
    printed = "mix" if setting.sound else "clean"
    study = backdoor_cell(setting, resnet50_backdoor.recipe(setting), experiment=NAME, printed=printed, paper=numbers)
    shares = BADNETS_SHARES if setting.sound and setting.scale.strong else ()
    return [
        study,
        *(
            backdoor_cell(setting, resnet50_badnets.recipe(setting, share), experiment=NAME, share=share)
            for share in shares
        ),
    ]


EXPERIMENT = Experiment(
    name=NAME,
    title="Backdoor in ResNet-50",
    reference="section 6.1, Table 2",
    columns=("resnet50_backdoor", "resnet50_badnets"),
    headers=(),
    paper=PAPER,
    faults=("frozen-augmentation", "no-asr", "clean-loader-table2", "leaky-split", "rgb-images"),
    cells=cells,
    layout="classes",
    threats=("backdoor",),
)
