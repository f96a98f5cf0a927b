"""Model inversion: an image of each class out of a plain and a robust model, and whether it shows a patient."""

from __future__ import annotations

from typing import Any

from mri_robust.core.registry import Spec
from mri_robust.study.cell import Cell
from mri_robust.study.evasion import table_words
from mri_robust.study.experiment import Experiment
from mri_robust.study.recipe import Recipe
from mri_robust.study.setting import Setting
from mri_robust.study.training_time import plain_line
from mri_robust.zoo import cnn_clean, cnn_pgd, cnn_shuffled, resnet_clean

NAME = "inversion"
STEPS = 60
SIDE = 56
"""Pixels at which smoothing and ART's steps were chosen; both grow with the images."""
CONTROLS = {
    "average": "control: the start",
    "class means": "control: class means",
    "test images": "control: test images",
    "noise": "control: noise",
}

Made = dict[str, Any]
"""An inversion, as the measure takes it."""


def cells(setting: Setting) -> list[Cell]:
    """A cell a victim; the one trained on shuffled labels has no class to show. The second model is a ResNet."""
    victims = (cnn_clean.recipe(setting), cnn_pgd.recipe(setting), cnn_shuffled.recipe(setting))
    # Of the controls only the victim's own confidence would differ between the cells.
    return [_cell(setting, victim, () if number else tuple(CONTROLS)) for number, victim in enumerate(victims)]


def _cell(setting: Setting, victim: Recipe, controls: tuple[str, ...]) -> Cell:
    made = _inversions(setting.scale.image_size)
    return Cell(
        measure="inversion",
        recipe=victim,
        data=setting.data.digest,
        parameters={"inversions": made, "controls": list(controls), "seed": setting.seed},
        others=(resnet_clean.recipe(setting),),
        words=table_words(setting, victim, NAME),
        lines=(
            *(_line(each) for each in made),
            *(plain_line("none", CONTROLS[control]) for control in controls),
        ),
    )


def _line(made: Made) -> dict[str, Any]:
    if made["by"] == "art":
        return plain_line("MIFace", made["name"]) | {"engine": "art"}
    return plain_line("inversion", made["name"]) | {"engine": "native"}


def _inversions(side: int) -> list[Made]:
    """Ours from an average image and from grey, and ART's on logits and on probabilities."""
    growth = side / SIDE
    ours = {"steps": STEPS, "step": 1 / 255, "smoothing": growth}
    # The gradient of a pixel falls with the number of pixels.
    plain = {"steps": STEPS, "scaled": False}
    logit = {**plain, "loss": "logit", "step": 0.03 * growth**2}
    probability = {**plain, "loss": "probability", "step": 0.3 * growth**2}
    return [
        _made("ours, from the average image", ours),
        _made("ours, from grey", ours, start="grey"),
        _made("ART, logits", logit, by="art"),
        _made("ART, probabilities", probability, by="art"),
    ]


def _made(name: str, parameters: dict[str, Any], *, by: str = "own code", start: str = "average") -> Made:
    return {"name": name, "by": by, "attack": Spec("inversion", parameters), "start": start}


EXPERIMENT = Experiment(
    name=NAME,
    title="What a model shows of its classes",
    reference="beyond the study",
    columns=("cnn_clean", "cnn_pgd", "cnn_shuffled"),
    headers=(),
    paper={},
    faults=(),
    cells=cells,
    layout="conditions",
    threats=("inversion",),
    beyond=True,
)
