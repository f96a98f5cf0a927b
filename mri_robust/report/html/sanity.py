"""What the sanity checks say of the models that were attacked, as a table of the page."""

from __future__ import annotations

from typing import Any

from mri_robust.report.html.tables import Table, text
from mri_robust.report.layout import title
from mri_robust.report.results import Results


def sanity_table(results: Results) -> Table | None:
    """A line a check, a column a model, and below what was found where one tripped; None where none was asked."""
    findings = _findings(results)
    if not findings:
        return None
    checks = list(dict.fromkeys(check for of_model in findings.values() for check in of_model))
    lines = tuple(
        (
            text(check.replace("-", " ")),
            *(text(_verdict(of_model[check]) if check in of_model else "–") for of_model in findings.values()),
        )
        for check in checks
    )
    tripped = [
        f"{model}: {finding['message']}."
        for model, of_model in findings.items()
        for finding in of_model.values()
        if finding["tripped"]
    ]
    asked = sum(map(len, findings.values()))
    caption = f"{len(tripped)} of {asked} checks tripped" if tripped else f"All {asked} checks passed"
    return Table(caption, ("check", *findings), lines, 1 + len(findings), " ".join(tripped))


def _findings(results: Results) -> dict[str, dict[str, dict[str, Any]]]:
    """Model, with its seed where there are several -> check -> finding."""
    cells = [
        cell
        for experiment in results.experiments
        for view in results.views(experiment)
        for cell in view.cells
        if cell["result"].get("findings")
    ]
    several = len({cell["about"]["seed"] for cell in cells}) > 1
    found = {}
    for cell in cells:
        model, seed = title(cell["about"]["model"]), cell["about"]["seed"]
        of_model = {finding["check"]: finding for finding in cell["result"]["findings"]}
        found[f"{model}, seed {seed}" if several else model] = of_model
    return found


def _verdict(finding: dict[str, Any]) -> str:
    return "WARNING" if finding["tripped"] else "passed"
