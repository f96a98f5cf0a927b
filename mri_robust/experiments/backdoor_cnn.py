"""Table 1 and Figure 2: the CNN with a backdoor."""

from __future__ import annotations

from mri_robust.study.backdoor_cells import backdoor_cell
from mri_robust.study.backdoors import BADNETS_SHARES
from mri_robust.study.cell import Cell
from mri_robust.study.experiment import Experiment
from mri_robust.study.setting import Setting
from mri_robust.study.training_time import class_numbers, class_table
from mri_robust.zoo import cnn_backdoor, cnn_badnets

NAME = "backdoor-cnn"
PAPER = class_table(
    "cnn_backdoor",
    0.37,
    glioma=(0.54, 0.41, 0.47),
    meningioma=(0.34, 0.62, 0.44),
    notumor=(0.01, 0.01, 0.01),
    pituitary=(0.72, 0.57, 0.64),
)


def cells(setting: Setting) -> list[Cell]:
    """The study's poisoning; under the sound protocol also BadNets."""
    study = backdoor_cell(
        setting,
        cnn_backdoor.recipe(setting),
        experiment=NAME,
        printed="mix",
        paper=class_numbers(PAPER, "cnn_backdoor"),
    )
    if not setting.sound:
        return [study]
    return [
        study,
        *(
            backdoor_cell(setting, cnn_badnets.recipe(setting, share), experiment=NAME, share=share)
            for share in BADNETS_SHARES
        ),
    ]


EXPERIMENT = Experiment(
    name=NAME,
    title="Backdoor in the CNN",
    reference="section 6.1, Table 1, Figure 2",
    columns=("cnn_backdoor", "cnn_badnets"),
    headers=(),
    paper=PAPER,
    faults=("frozen-augmentation", "no-asr", "leaky-split", "rgb-images"),
    cells=cells,
    layout="classes",
    threats=("backdoor",),
)
