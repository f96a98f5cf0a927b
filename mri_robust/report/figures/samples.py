"""Images as a model was shown them: the snooping patterns."""

from __future__ import annotations

import math

from matplotlib.figure import Figure

from mri_robust.report.drawing import INK, decode, headline, shortened, show
from mri_robust.report.results import View

MOST = 24
COLUMNS = 6


def draw_samples(view: View) -> Figure | None:
    """A sheet of images with their captions, wrapped in rows; at most 24."""
    samples = [sample for cell in view.cells for sample in cell["result"].get("samples") or []][:MOST]
    if not samples:
        return None
    columns = min(COLUMNS, len(samples))
    rows = math.ceil(len(samples) / columns)
    figure = Figure(figsize=(1.75 * columns, 1.98 * rows + 0.4), dpi=150, layout="constrained", facecolor="white")
    axes = figure.subplots(rows, columns, squeeze=False)
    for place, sample in zip(axes.flat, samples, strict=False):
        show(place, decode(sample["image"]))
        place.set_title(shortened(sample["caption"], 28), fontsize=8, color=INK)
    for place in axes.flat[len(samples) :]:
        place.set_visible(False)
    headline(figure, f"{view.experiment.title}: samples, protocol {view.protocol}")
    return figure


FIGURE = draw_samples
