"""Detectors of poison on the backdoored CNNs, and on the clean one, where all that they flag is wrong."""

from __future__ import annotations

from typing import Any

from mri_robust.study.backdoors import BADNETS_SHARES
from mri_robust.study.cell import Cell
from mri_robust.study.evasion import table_words
from mri_robust.study.experiment import Experiment
from mri_robust.study.poisoned import training_of
from mri_robust.study.recipe import Recipe
from mri_robust.study.setting import Setting
from mri_robust.study.snooping import CHOSEN, HALF
from mri_robust.study.training_time import in_words, plain_line
from mri_robust.zoo import cnn_backdoor, cnn_badnets, cnn_clean, resnet18_snoop

NAME = "poison-detection"
SIZES = ("small", "mid", "large")
EXPECTED = 0.1
"""Share of a class that spectral signatures are told to expect; they flag half as much again of every class."""


def cells(setting: Setting) -> list[Cell]:
    """Every backdoored CNN and the clean one; under the paper's protocol the study's own poisoning alone of these."""
    victims = [(cnn_backdoor.recipe(setting), "creeper", "all of notumor")]
    if setting.sound:
        badnets = ((cnn_badnets.recipe(setting, share), share) for share in BADNETS_SHARES)
        victims += [(recipe, "badnets", f"BadNets {share:.0%}") for recipe, share in badnets]
    victims.append((cnn_clean.recipe(setting), "none", "none"))
    return [_cell(setting, *victim) for victim in victims]


def _cell(setting: Setting, recipe: Recipe, attack: str, poison: str) -> Cell:
    tests = _tests(CHOSEN if setting.sound else HALF)
    return Cell(
        measure=NAME,
        recipe=recipe,
        data=setting.data.digest,
        parameters={
            "tests": tests,
            "training": training_of(recipe),
            "images": setting.scale.attack_images(setting.data.test_images),
            "target": setting.data.healthy,
            "seed": setting.seed,
        },
        others=(resnet18_snoop.recipe(setting, SIZES),),
        words=table_words(setting, recipe, NAME) | {"label": f"poison {poison}"},
        lines=tuple(
            plain_line(attack, in_words(poison=poison, detector=_name(test), set=test["set"])) for test in tests
        ),
    )


def _tests(threshold: str) -> list[dict[str, Any]]:
    """Every detector, on the training set or on test images; the snooper on both.

    The two entropies of STRIP are ART's, over the blends, and Gao et al.'s, over the classes.
    """
    analyses = ("smaller", "relative-size", "silhouette-scores")
    return [
        *({"detector": "activation", "set": "training", "analysis": analysis} for analysis in analyses),
        {"detector": "spectral", "set": "training", "expected": EXPECTED},
        {"detector": "snooper", "set": "training", "threshold": threshold},
        *({"detector": "strip", "set": "test", "entropy": entropy} for entropy in ("blends", "classes")),
        {"detector": "snooper", "set": "test", "threshold": threshold},
    ]


def _name(test: dict[str, Any]) -> str:
    """`activation (smaller)`, `strip (entropy over classes)`, `snooper`."""
    entropy = {"blends": "ART's entropy, over blends", "classes": "entropy over classes"}
    option = test.get("analysis") or entropy.get(test.get("entropy", ""))
    return f"{test['detector']} ({option})" if option else test["detector"]


EXPERIMENT = Experiment(
    name=NAME,
    title="Detectors of poison on the backdoored CNN",
    reference="beyond the study",
    columns=("cnn_backdoor", "cnn_badnets", "cnn_clean"),
    headers=(),
    paper={},
    faults=(),
    cells=cells,
    layout="conditions",
    threats=("poison-detection",),
    beyond=True,
)
