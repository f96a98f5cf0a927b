"""The whole defence: a backdoored CNN behind a snooping detector that refers what it flags to a doctor."""

from __future__ import annotations

from mri_robust.study.backdoor_cells import MIX_SHARE, TESTS
from mri_robust.study.backdoors import BADNETS_SHARES
from mri_robust.study.cell import Cell
from mri_robust.study.evasion import table_words
from mri_robust.study.experiment import Experiment
from mri_robust.study.recipe import Recipe
from mri_robust.study.setting import Setting
from mri_robust.study.snooping import CHOSEN, HALF
from mri_robust.study.training_time import in_words, plain_line
from mri_robust.zoo import cnn_backdoor, cnn_badnets, resnet18_snoop

NAME = "snoop-pipeline"
SNOOPERS = {"all sizes": ("small", "mid", "large"), "small": ("small",)}


def cells(setting: Setting) -> list[Cell]:
    """The backdoored CNNs without a snooper, and behind each of the detectors of Tables 7 and 8.

    Sound: at the threshold that the detector chose on validation. Paper: at .5.
    """
    victims = [(cnn_backdoor.recipe(setting), "clean labels")]
    if setting.sound:
        share = BADNETS_SHARES[-1]
        victims += [(cnn_badnets.recipe(setting, share), f"BadNets {share:.0%}")]
    return [_cell(setting, victim, poison, name) for victim, poison in victims for name in ("", *SNOOPERS)]


def _cell(setting: Setting, victim: Recipe, poison: str, snooper: str) -> Cell:
    threshold = (CHOSEN if setting.sound else HALF) if snooper else ""
    return Cell(
        measure="snoop-pipeline",
        recipe=victim,
        data=setting.data.digest,
        parameters={
            "tests": list(TESTS),
            "mix_share": MIX_SHARE,
            "target": setting.data.healthy,
            "threshold": threshold,
            "seed": setting.seed,
        },
        others=(resnet18_snoop.recipe(setting, SNOOPERS[snooper]),) if snooper else (),
        words=table_words(setting, victim, NAME) | {"label": f"{poison}, {snooper or 'no'} snooper"},
        lines=tuple(
            plain_line("creeper", in_words(poison=poison, snooper=snooper or "none", threshold=threshold, test=test))
            for test in TESTS
        ),
    )


EXPERIMENT = Experiment(
    name=NAME,
    title="The backdoored CNN behind the snooping detector",
    reference="section 6.6, beyond the study",
    columns=("cnn_backdoor", "cnn_badnets"),
    headers=(),
    paper={},
    faults=("frozen-augmentation", "fixed-patterns", "leaky-split", "rgb-images"),
    cells=cells,
    layout="conditions",
    threats=("backdoor", "trigger-detection"),
)
