"""Declare the cells of a snooping table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mri_robust.study.cell import Cell
from mri_robust.study.evasion import table_words
from mri_robust.study.experiment import Experiment
from mri_robust.study.recipe import Recipe
from mri_robust.study.setting import Setting
from mri_robust.study.training_time import Paper, class_numbers, in_words, plain_line

MODEL = "resnet18_snoop"
SHAPES = ("circle", "square", "cross", "triangle")
STUDY_CANVAS, STUDY_SIZE = 512, 224
CHOSEN, HALF = "chosen", "0.5"
"""Thresholds: the one that the detector chose on its validation images, and the study's."""


def pattern_canvas(setting: Setting) -> int:
    """Pixels of the canvas that patterns are measured in.

    Paper: the originals' 512, before the resize. Sound: 224, the size after it, so that sizes mean the same in every
    image. Less where the scale lets patterns grow.
    """
    side = STUDY_SIZE if setting.sound else STUDY_CANVAS
    return round(side / setting.scale.pattern_growth)


def snooping_cell(setting: Setting, recipe: Recipe, *, experiment: str, shapes: tuple[str, ...], paper: Paper) -> Cell:
    """A cell that tests a detector on one small pattern an image, half of the images stamped.

    Sound: also at the threshold chosen on validation, and on the creeper trigger, which it never saw.
    """
    patterns = {"sizes": ["small"], "shapes": list(shapes), "most": 1, "canvas": pattern_canvas(setting)}
    what = "small " + (" and ".join(f"{shape}s" for shape in shapes) if shapes != SHAPES else "patterns")
    tests: list[dict[str, Any]] = [{"trigger": "patterns", "parameters": patterns, "threshold": HALF}]
    lines = [plain_line("patterns", in_words(printed=experiment, test=what, threshold=HALF), paper)]
    if setting.sound:
        tests += [{**tests[0], "threshold": CHOSEN}]
        tests += [{"trigger": "creeper", "parameters": {}, "threshold": threshold} for threshold in (HALF, CHOSEN)]
        lines += [plain_line("patterns", in_words(test=what, threshold=CHOSEN))]
        lines += [plain_line("creeper", in_words(test="unseen creeper", threshold=t)) for t in (HALF, CHOSEN)]
    return Cell(
        measure="snooping",
        recipe=recipe,
        data=setting.data.digest,
        parameters={"tests": tests, "fixed": not setting.sound, "seed": setting.seed},
        words=table_words(setting, recipe, experiment) | {"label": what},
        lines=tuple(lines),
    )


def snooping_experiment(
    name: str,
    table: str,
    title: str,
    *,
    recipe: Callable[[Setting], Recipe],
    paper: dict[tuple[str, str], float],
    shapes: tuple[str, ...] = SHAPES,
) -> Experiment:
    """One of the study's tables of a detector: trained as `recipe` says, tested on small patterns.

    Args:
        name, table, title: see `Experiment`; `table` is the study's (`Table 7`).
        recipe: of the detector.
        paper: the study's numbers, as `class_table` gives them.
        shapes: of the patterns that it is tested on.
    """

    def cells(setting: Setting) -> list[Cell]:
        numbers = class_numbers(paper, MODEL)
        return [snooping_cell(setting, recipe(setting), experiment=name, shapes=shapes, paper=numbers)]

    return Experiment(
        name=name,
        title=title,
        reference=f"section 6.6, {table}",
        columns=(MODEL,),
        headers=(),
        paper=paper,
        faults=("fixed-patterns", "leaky-split", "rgb-images"),
        cells=cells,
        layout="classes",
        threats=("trigger-detection",),
    )
