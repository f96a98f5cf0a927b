"""One test image under each MRI artefact at rising severity."""

from __future__ import annotations

from matplotlib.figure import Figure

from mri_robust.report.drawing import INK, decode, headline, shortened, show
from mri_robust.report.results import View


def draw_artefact_sheet(view: View) -> Figure | None:
    """A column an artefact: the clean image, and below it the artefact's levels."""
    sheet = next((sheet for cell in view.cells if (sheet := cell["result"].get("artefact_sheet"))), None)
    if sheet is None or not sheet["rows"]:
        return None
    columns = sheet["rows"]
    lines = 1 + max(len(column["pictures"]) for column in columns)
    size = (1.35 * len(columns) + 0.4, 1.35 * lines + 0.7)
    figure = Figure(figsize=size, dpi=150, layout="constrained", facecolor="white")
    figure.get_layout_engine().set(w_pad=0.02, h_pad=0.02, wspace=0, hspace=0)  # type: ignore[union-attr, call-arg]
    axes = figure.subplots(lines, len(columns), squeeze=False)
    for below, column in zip(axes.T, columns, strict=True):
        for place, picture in zip(below, [sheet["clean"], *column["pictures"]], strict=False):
            show(place, decode(picture))
        for place in below[1 + len(column["pictures"]) :]:
            place.set_visible(False)
        below[0].set_title(shortened(column["artefact"].replace("-", " ").capitalize(), 18), fontsize=10, color=INK)
    for level, place in enumerate(axes[:, 0]):
        place.set_ylabel(f"severity {level}" if level else "clean", fontsize=9, color=INK)
    headline(figure, f"{view.experiment.title}: a test image of class {sheet['class']}, protocol {view.protocol}")
    return figure


FIGURE = draw_artefact_sheet
