"""Both reports of a run."""

from __future__ import annotations

from pathlib import Path

from mri_robust.report import markdown
from mri_robust.report.html.page import write_page


def write_report(folder: Path) -> Path:
    """Write `report.md` with its figures, then `report.html`, from what a bench left in `folder`.

    Returns:
        The path of `report.html`.

    Raises:
        UserError: the folder holds no finished run.
    """
    markdown.write_report(folder)
    return write_page(folder)
