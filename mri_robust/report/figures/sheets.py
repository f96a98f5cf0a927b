"""The pictures that evaluations kept, as sheets: adversarial images, triggers, artefacts, reconstructions."""

from typing import Any

import numpy as np
from PIL import Image

from mri_robust.report.contact_sheet import Picture, Strip, contact_sheet, opened
from mri_robust.report.figures.style import COLOURS, View, words
from mri_robust.study.epsilon import epsilon_text, size_text


def draw_pictures(view: View, kind: str) -> Image.Image | None:
    """A strip per strip of the artefact `kind`, those of several evaluations side by side, the same pictures once."""
    stored, told = view.artefacts(kind)
    kept: dict[str, tuple[dict[Any, Any], list[dict[str, Any]]]] = {}
    for row, strips in stored:
        kept.setdefault(str(strips), (row, strips))
    told = told if len(kept) > 1 else []
    columns = [
        # What changed is shown of the first image alone.
        [each for n, strip in enumerate(strips) for each in _strips(words(row, told), strip)[: 1 if n else 2]]
        for row, strips in kept.values()
    ]
    placed = [strip for row in zip(*columns, strict=False) for strip in row]
    whose = words(stored[0][0], ["model"]) if len(stored) == 1 else ""
    return contact_sheet(placed, view.title, whose, across=len(columns)) if placed else None


def _strips(whose: str, strip: dict[str, Any]) -> list[Strip]:
    """The strip; of a test image under attack also what changed in it: mid-grey nothing, black and white the most."""
    label, cells = strip.get("label"), strip["cells"]
    name = ", ".join(part for part in (whose, f"class {label}" if label else "", strip["name"]) if part)
    if label is None:
        return [(name, [Picture(cell["image"], cell["caption"]) for cell in cells])]
    pictures, changes = [], []
    clean = np.asarray(opened(cells[0]["image"]), dtype=float).mean(-1)
    for cell in cells:
        size = f"ε = {epsilon_text(cell['epsilon'], cell['norm'])}" if cell["epsilon"] else "clean"
        colour = COLOURS[2 if cell["predicted"] == label else 1]  # right answers green, wrong ones orange
        pictures.append(Picture(cell["image"], f"{size}\n{cell['caption']}", colour))
        change = np.asarray(opened(cell["image"]), dtype=float).mean(-1) - clean
        grey = np.round(127.5 + 127.5 * change / (np.abs(change).max() or 1.0)).astype(np.uint8)
        changes.append(Picture(grey[None], f"change at most\n{size_text(cell['change'])}"))
    return [(name, pictures), ("", changes)]
