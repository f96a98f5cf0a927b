"""Declare the cells of a backdoor table."""

from __future__ import annotations

from mri_robust.study.cell import Cell
from mri_robust.study.evasion import table_words
from mri_robust.study.recipe import Recipe
from mri_robust.study.setting import Setting
from mri_robust.study.training_time import Paper, in_words, plain_line

TESTS = ("clean", "mix", "triggered")
MIX_SHARE = 0.3
"""Share of the test images drawn for stamping; those of class notumor are skipped."""


def backdoor_cell(
    setting: Setting,
    recipe: Recipe,
    *,
    experiment: str,
    printed: str = "",
    share: float | None = None,
    paper: Paper | None = None,
) -> Cell:
    """A cell that tests a backdoored model.

    Sound: on the clean test images, on the study's mix, and on all tumour images triggered, which gives the attack
    success rate. Paper: only on what the study's table was read off (`printed`), fault `no-asr`.
    """
    tests = TESTS if setting.sound else (printed,)
    attack = "badnets" if share else "creeper"

    def row(test: str) -> str:
        return in_words(printed="poisoned test set" if test == printed else "", share=share, test=test)

    return Cell(
        measure="backdoor",
        recipe=recipe,
        data=setting.data.digest,
        parameters={
            "tests": list(tests),
            "mix_share": MIX_SHARE,
            "target": setting.data.healthy,
            "leak_free": setting.sound,
            "seed": setting.seed,
        },
        words=table_words(setting, recipe, experiment) | {"label": f"share {share}" if share else "clean labels"},
        lines=tuple(plain_line(attack, row(test), paper if test == printed else None) for test in tests),
    )
