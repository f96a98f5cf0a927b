"""One file a kind of figure; each defines `FIGURE`: a view of the results -> a figure, or None without data for it.

A figure's file name is its name in `<experiment>-<protocol>-<name>.png`.
"""

from __future__ import annotations

from pathlib import Path

from matplotlib import rc_context
from matplotlib.figure import Figure

from mri_robust.core.files import written_aside
from mri_robust.core.registry import Registry
from mri_robust.report.results import Results

FIGURES = Registry("mri_robust.report.figures", attribute="FIGURE", kind="figure")
"""Figures by name."""


def draw_figures(results: Results) -> dict[str, dict[str, list[Path]]]:
    """Draw every figure of a run that has data into `figures/`.

    Returns:
        Experiment -> protocol -> paths relative to the folder, in the order of the figures' names.
    """
    drawn: dict[str, dict[str, list[Path]]] = {}
    for experiment in results.experiments:
        of_protocol = drawn.setdefault(experiment.name, {})
        for view in results.views(experiment):
            paths = of_protocol.setdefault(view.protocol, [])
            for name in FIGURES.names():
                with rc_context({"text.parse_math": False}):  # a `$` in a class name is a dollar
                    figure = FIGURES.load(name)(view)
                    if figure is not None:
                        paths.append(_save(figure, results.folder, f"{experiment.name}-{view.protocol}-{name}.png"))
    return drawn


def _save(figure: Figure, folder: Path, name: str) -> Path:
    path = folder / "figures" / name
    with written_aside(path) as aside:
        figure.savefig(aside, format="png", metadata={"Software": None})
    return path.relative_to(folder)
