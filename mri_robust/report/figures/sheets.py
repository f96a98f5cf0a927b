"""The pictures that evaluations kept, as sheets: adversarial images, triggers, artefacts, reconstructions."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image

from mri_robust.report.contact_sheet import Picture, Strip, contact_sheet, opened
from mri_robust.report.figures.style import COLOURS, View, factors, words
from mri_robust.report.metrics import in_255ths


def draw_sheet(view: View) -> Image.Image | None:
    """Each evaluation's strips, side by side; of evaluations that kept the same pictures one is shown."""
    about, stored = view.artefacts("sheet")
    kept: dict[str, tuple[dict[Any, Any], list[dict[str, Any]]]] = {}
    for row, strips in zip(about.to_dict("records"), stored, strict=True):
        kept.setdefault(str(strips), (row, strips))
    told = factors(about) if len(kept) > 1 else []
    sheets = [[_strip(words(row, told, strip["name"]), strip) for strip in strips] for row, strips in kept.values()]
    placed = [strip for row in zip(*sheets, strict=False) for strip in row]
    return contact_sheet(placed, view.title, across=len(sheets)) if placed else None


def _strip(name: str, strip: dict[str, Any]) -> Strip:
    return name, [Picture(cell["image"], cell["caption"]) for cell in strip["cells"]]


def draw_gallery(view: View) -> Image.Image | None:
    """Each test image under rising epsilon, right answers green, wrong ones orange; what changed in the first."""
    about, stored = view.artefacts("gallery")
    drawn: list[Strip] = []
    for row, strips in zip(about.to_dict("records"), stored, strict=True):
        for strip in strips:
            cells = strip["cells"]
            sizes = [f"ε = {in_255ths(cell['epsilon'])}" if cell["epsilon"] else "clean" for cell in cells]
            colours = [COLOURS[2 if cell["predicted"] == strip["label"] else 1] for cell in cells]
            texts = [f"{size}\n{cell['caption']}" for size, cell in zip(sizes, cells, strict=True)]
            pictures = [Picture(cell["image"], *each) for cell, *each in zip(cells, texts, colours, strict=True)]
            drawn.append((words(row, ["model"], f"class {strip['label']}", strip["name"], width=200), pictures))
            if strip is strips[0]:
                grey = [np.asarray(opened(cell["image"]), dtype=float).mean(-1) for cell in cells]
                texts = [f"at most\n{in_255ths(cell['change'])}" for cell in cells]
                changes = [Picture(amplified(each - grey[0]), text) for each, text in zip(grey, texts, strict=True)]
                drawn.append(("what changed in it, amplified", changes))
    return contact_sheet(drawn, view.title) if drawn else None


def amplified(change: np.ndarray) -> np.ndarray:
    """A signed change [H, W] as uint8 [1, H, W]: mid-grey is none, black and white are its greatest size."""
    grey: np.ndarray = np.round(127.5 + 127.5 * change / (np.abs(change).max() or 1.0)).astype(np.uint8)[None]
    return grey
