"""Table 5: accuracy of CNNs trained with NoisyLoss."""

from __future__ import annotations

from itertools import product

from mri_robust.study.cell import Cell
from mri_robust.study.experiment import Experiment
from mri_robust.study.setting import Setting
from mri_robust.study.training_time import in_words, report_cell
from mri_robust.zoo import cnn_noisy

NAME = "noisy-loss"
ROWS = {(5, 0.1): 0.95, (5, 1.2): 0.96, (10, 2.0): 0.97}
"""(epochs, strength) -> the study's accuracy."""
PAPER = {(f"{epochs}/{strength}", "cnn_noisy"): value for (epochs, strength), value in ROWS.items()}


def cells(setting: Setting) -> list[Cell]:
    """Paper: started from CNN_clean. Sound: from scratch too, with and without augmentation, beside strength 0."""
    if not setting.sound:
        return [_cell(setting, epochs, strength, fine_tuned=True, printed=True) for epochs, strength in ROWS]
    longest = max(epochs for epochs, _ in ROWS)
    measured = []
    for (epochs, strength), fine_tuned, augmented in product([*ROWS, (longest, 0.0)], (False, True), (False, True)):
        studied = not fine_tuned and not augmented
        if studied or setting.scale.strong or (epochs == longest and strength):
            printed = studied and strength > 0
            measured.append(
                _cell(setting, epochs, strength, fine_tuned=fine_tuned, augmented=augmented, printed=printed)
            )
    return measured


def _cell(
    setting: Setting, epochs: int, strength: float, *, fine_tuned: bool, printed: bool, augmented: bool = False
) -> Cell:
    row = f"{epochs}/{strength}"
    recipe = cnn_noisy.recipe(setting, strength, epochs, fine_tuned=fine_tuned, augmented=augmented)
    condition = in_words(
        printed=row if printed else "",
        epochs=epochs,
        strength=strength,
        start="cnn_clean" if fine_tuned else "scratch",
        augmentation="5.1" if augmented else "none",
    )
    paper = {"accuracy": PAPER[row, "cnn_noisy"]} if printed else {}
    return report_cell(setting, recipe, experiment=NAME, attack=NAME, condition=condition, paper=paper)


EXPERIMENT = Experiment(
    name=NAME,
    title="Training with NoisyLoss",
    reference="section 6.4, Table 5",
    columns=("cnn_noisy",),
    headers=("epochs", "strength"),
    paper=PAPER,
    faults=("fine-tuned-start", "leaky-split", "rgb-images"),
    cells=cells,
    layout="conditions",
    threats=("noisy-training",),
)
