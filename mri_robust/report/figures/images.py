"""One test image under rising epsilon, with what the model says: Figures 3 and 4."""

from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure

from mri_robust.report.drawing import INK, amplified, decode, headline, show
from mri_robust.report.layout import in_255ths, title
from mri_robust.report.results import View

RIGHT, WRONG = "#007A53", "#C0392B"


def draw_images(view: View) -> Figure | None:
    """Adversarial images above their amplified change from the clean one, with what the model says."""
    cell = next((cell for cell in view.cells if pictured(cell["result"])), None)
    if cell is None:
        return None
    name = f"{view.experiment.name.upper()}, {title(cell['about']['model'])}"
    return _draw_gallery(pictured(cell["result"])[0], name)


def pictured(result: dict[str, Any]) -> list[dict[str, Any]]:
    """The images of a gallery's result, each `label`, `name` and `pictures`; none in other results.

    A result from before galleries held several images is one of them itself, and its pictures have no `probabilities`.
    """
    found: list[dict[str, Any]] = result.get("images") or ([result] if result.get("pictures") else [])
    return found


def _draw_gallery(entry: dict[str, Any], name: str) -> Figure:
    pictures = entry["pictures"]
    images = [decode(picture["image"]).mean(-1) for picture in pictures]
    figure = Figure(figsize=(1.75 * len(images), 4.5), dpi=150, layout="constrained", facecolor="white")
    axes = figure.subplots(2, len(images), squeeze=False)
    for column, (picture, image) in enumerate(zip(pictures, images, strict=True)):
        right = picture["predicted"] == entry["label"]
        top, below = axes[0, column], axes[1, column]
        show(top, image)
        top.set_title("clean" if column == 0 else f"ε = {in_255ths(picture['epsilon'])}", fontsize=9, color=INK)
        top.set_xlabel(
            f"{picture['predicted']}\n{picture['probability']:.0%}", fontsize=9, color=RIGHT if right else WRONG
        )
        show(below, amplified(image - images[0]))
        below.set_xlabel("" if column == 0 else f"change, greatest {picture['change'] * 255:.1f}/255", fontsize=7)
    headline(figure, f"{name}: a test image of class {entry['label']}")
    return figure


FIGURE = draw_images
