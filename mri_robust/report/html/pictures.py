"""The figures of a run as part of the page: PNG files shrunk to fewer colours and turned into data: addresses."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from mri_robust.report.figures import FIGURES
from mri_robust.report.results import View

WIDEST = 1600
COLOURS = 96
"""A figure has few colours, and their steps of grey: fewer make a page of a third of the size."""
WORDS = {
    "confusion": "Confusion matrices",
    "curves": "Accuracy over the epochs of training",
    "roc": "ROC curves",
    "samples": "Images as the detector saw them",
    "trigger": "The trigger",
    "images": "A test image under rising ε",
    "accuracy": "Accuracy over ε",
    "artefacts": "Accuracy under MRI artefacts",
    "artefact-sheet": "A test image under MRI artefacts",
    "inversion": "Class means, and images made out of the models",
}
"""Name of a figure -> its caption."""
PHOTOGRAPHS = ("samples", "trigger", "images", "artefact-sheet", "inversion")
"""Figures that show images, which a dark page leaves as they are; it turns the others dark."""


@dataclass(frozen=True)
class Picture:
    """An embedded figure: its caption, its `data:` address, its size in pixels, whether it shows images."""

    caption: str
    address: str
    width: int
    height: int
    photograph: bool


def embedded_figures(folder: Path, view: View, *, without: tuple[str, ...]) -> list[Picture]:
    """The figures in `folder` that were drawn of one experiment under one protocol, less those named `without`.

    A file that is missing or is no image is left out.
    """
    found = []
    for name in FIGURES.names():
        path = folder / "figures" / f"{view.experiment.name}-{view.protocol}-{name}.png"
        if name not in without and path.is_file():
            caption = f"{WORDS.get(name, name)}, protocol {view.protocol}"
            picture = _embed(path, caption, name in PHOTOGRAPHS)
            found += [picture] if picture else []
    return found


def _embed(path: Path, caption: str, photograph: bool) -> Picture | None:
    try:
        with Image.open(path) as file:
            image = file.convert("RGB")
    except OSError:
        return None
    image.thumbnail((WIDEST, 4 * WIDEST))
    buffer = io.BytesIO()
    image.quantize(COLOURS, dither=Image.Dither.NONE).save(buffer, format="PNG", optimize=True)
    text = base64.b64encode(buffer.getvalue()).decode("ascii")
    return Picture(caption, f"data:image/png;base64,{text}", *image.size, photograph)
