"""`report.md`: how close we come to the study, and each of its tables beside ours."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mri_robust.core.files import write_text
from mri_robust.report.distance import closeness, distances
from mri_robust.report.entry import difference_text
from mri_robust.report.figures import draw_figures
from mri_robust.report.markup import escape, table_markdown
from mri_robust.report.results import Results, open_results
from mri_robust.report.section import experiment_section, place_of


def write_report(folder: Path) -> Path:
    """Write `report.md` and its figures from what a bench left in `folder`; returns the report's path.

    Raises:
        UserError: the folder holds no finished run.
    """
    results = open_results(folder)
    figures = draw_figures(results)
    sections = [_summary(results), _closeness(results)]
    sections += [experiment_section(results, each, figures[each.name]) for each in results.experiments]
    sections += [_certificate(results.certificate), _provenance(results.run)]
    path = folder / "report.md"
    write_text(path, "\n\n".join(section for section in sections if section) + "\n")
    return path


def _summary(results: Results) -> str:
    run = results.run
    data = next(iter(run["data"].values()))
    lines = [
        "# Adversarial robustness report",
        f"Data `{escape(data['name'])}` ({data['train']} training, {data['test']} test images), "
        f"scale `{run['scale']}`, protocols {', '.join(run['protocols'])}, engine `{run['engine']}`, "
        f"seeds {', '.join(map(str, run['seeds']))}, ResNet weights `{escape(run['weights'])}`.",
        f"**{results.certificate['verdict']}**",
    ]
    lines += [f"**Warning:** {escape(warning)}." for warning in run["warnings"]]
    if run["cuts"]:
        lines.append("This scale cuts:\n\n" + "\n".join(f"- {cut}" for cut in run["cuts"]))
    if data["name"] == "phantom":
        lines.append("The images are synthetic: the study's numbers stand beside ours for the layout, not to be met.")
    return "\n\n".join(lines)


def _closeness(results: Results) -> str:
    """One line an experiment: how far protocol `paper` comes to the study's numbers; empty where it was not run."""
    if "paper" not in results.run["protocols"]:
        return ""
    lines = []
    for experiment in results.experiments:
        close = closeness(distances(results.tables[experiment.name]))
        line = [experiment.title, experiment.reference, str(close.printed), str(close.compared)]
        if close.furthest is None:
            lines.append([*line, "–", "–", ""])
            continue
        place = place_of(close.furthest, experiment)
        lines.append([*line, f"{close.mean:.3f}", f"{close.furthest['distance']:.3f}", place])
    heads = ["experiment", "in the study", "its numbers", "compared", "mean distance", "largest", "where"]
    return (
        "## How close to the study\n\nDistance: |ours under protocol `paper` − the study's|. Numbers of ResNets that "
        "did not start from ImageNet's weights are not compared.\n\n" + table_markdown(heads, lines, align="llrrrrl")
    )


def _certificate(certificate: dict[str, Any]) -> str:
    heads = [
        "attack",
        "engines",
        "bit-identical",
        "greatest difference",
        "equal predictions",
        "success differs",
        "bound",
    ]
    lines = [
        [
            row["attack"],
            f"{row['engine']}, {row['other']}",
            f"{row['bit_identical']:.1%}",
            difference_text(row["max_difference"]),
            f"{row['equal_predictions']:.1%}",
            str(row["success_differs"]),
            f"{row['bound']:g}",
        ]
        for row in certificate["comparisons"]
    ]
    return f"## Cross-check on {certificate['images']} images\n\n{certificate['verdict']}.\n\n" + table_markdown(
        heads, lines, align="llrrrrr"
    )


def _provenance(run: dict[str, Any]) -> str:
    versions = ", ".join(f"{name} {number}" for name, number in run["versions"].items())
    machine = run["machine"]
    data = "; ".join(f"{channels} {facts['digest']}" for channels, facts in run["data"].items())
    return (
        "## Provenance\n\n"
        f"- command: `{escape(run['command'])}`\n- versions: {versions}\n"
        f"- machine: {machine['device_name']}, {machine['threads']} threads, training in {machine['precision']}\n"
        f"- data digest: {data}\n- seconds: {run['seconds']}; cells computed {run['computed']}, reused {run['reused']}"
    )
