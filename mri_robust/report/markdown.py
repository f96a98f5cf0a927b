"""`report.md`: the tables as the study prints them, measured beside printed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from mri_robust.core.files import write_text
from mri_robust.report.figures import draw_figures
from mri_robust.report.layout import TITLES, Entry, Grid, arrange
from mri_robust.report.results import Results, open_results
from mri_robust.study.experiment import Experiment
from mri_robust.study.protocol import FAULTS
from mri_robust.study.recipe import comparable_weights


def write_report(folder: Path) -> Path:
    """Write `report.md` and its figures from what a bench left in `folder`; returns the report's path.

    Raises:
        UserError: the folder holds no finished run.
    """
    results = open_results(folder)
    figures = draw_figures(results)
    sections = [_summary(results)]
    sections += [_experiment(results, experiment, figures) for experiment in results.experiments]
    sections += [_certificate(results.certificate), _provenance(results.run)]
    path = folder / "report.md"
    write_text(path, "\n\n".join(sections) + "\n")
    return path


def entry_text(entry: Entry | None) -> str:
    """`measured · study`; the study's number in brackets where it is not comparable."""
    if entry is None:
        return "–"
    measured = f"{entry.value:.3f}" + (f" ± {entry.spread:.3f}" if entry.spread is not None else "")
    if entry.study is None:
        return measured
    return f"{measured} · {entry.study:.2f}" if entry.comparable else f"{measured} · ({entry.study:.2f})"


def difference_text(difference: float | None) -> str:
    """A pixel difference; `not a number` where an engine gave one."""
    return "not a number" if difference is None else f"{difference:.1e}"


def _summary(results: Results) -> str:
    run = results.run
    data = next(iter(run["data"].values()))
    lines = [
        "# Adversarial robustness report",
        f"Data `{_escape(data['name'])}` ({data['train']} training, {data['test']} test images), "
        f"scale `{run['scale']}`, protocols {', '.join(run['protocols'])}, engine `{run['engine']}`, "
        f"seeds {', '.join(map(str, run['seeds']))}, ResNet weights `{_escape(run['weights'])}`.",
        f"**{results.certificate['verdict']}**",
    ]
    lines += [f"**Warning:** {_escape(warning)}." for warning in run["warnings"]]
    if run["cuts"]:
        lines.append("This scale cuts:\n\n" + "\n".join(f"- {cut}" for cut in run["cuts"]))
    if data["name"] == "phantom":
        lines.append("The images are synthetic: the study's numbers stand beside ours for the layout, not to be met.")
    return "\n\n".join(lines)


def _experiment(results: Results, experiment: Experiment, figures: list[Path]) -> str:
    table = results.tables[experiment.name]
    parts = [f"## {experiment.title} ({experiment.reference})"]
    for protocol in results.protocols(experiment.name):
        rows = table[table["protocol"] == protocol]
        parts.append(
            f"### Protocol `{protocol}`\n\nAccuracy: measured · the study's. Rows without /255 are named as the study "
            "prints them, in units of .1813 of the pixel range: 0.1 is 4.62/255. A row `worst` counts an image as "
            "fooled when it is wrong without attack, or fooled at that epsilon or a smaller one of these rows."
        )
        parts.append(_markdown(arrange(rows, experiment)))
        parts += _other_tables(rows, experiment)
        parts += [
            f"![{path.stem}]({path.as_posix()})"
            for path in figures
            if path.stem.startswith(f"{experiment.name}-{protocol}")
        ]
    parts.append(
        "Numbers in brackets are not compared: those models of the study started from ImageNet's weights, ours did not."
        if not all(comparable_weights(weights) for weights in table["weights"].unique())
        else ""
    )
    faults = "\n".join(f"- `{name}`: {FAULTS[name]}" for name in experiment.faults)
    parts.append(f"What separates the protocols `paper` and `sound`:\n\n{faults}")
    return "\n\n".join(part for part in parts if part)


def _other_tables(rows: pd.DataFrame, experiment: Experiment) -> list[str]:
    """Accuracy on the leak-free images and missed tumours, where they were measured."""
    parts = []
    for metric, subset, title in (
        ("accuracy", "leak-free", "Accuracy on the test images without a twin in training"),
        ("missed_tumour_rate", "all", "Missed tumours: share of tumour images called notumor"),
    ):
        grid = arrange(rows, experiment, metric=metric, subset=subset)
        if grid.lines:
            parts.append(f"{title}:\n\n{_markdown(grid)}")
    return parts


def _markdown(grid: Grid) -> str:
    heads = [*grid.headers, *(TITLES.get(model, model) for model in grid.models)]
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(grid.headers) + "---:|" * len(grid.models)]
    for line in grid.lines:
        cells = [*line.heads, *(entry_text(line.entries.get(model)) for model in grid.models)]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _certificate(certificate: dict[str, Any]) -> str:
    lines = [
        f"## Cross-check on {certificate['images']} images",
        certificate["verdict"] + ".",
        "| attack | engines | bit-identical | greatest difference | equal predictions | success differs | bound |",
        "|---|---|---:|---:|---:|---:|---:|",
    ]
    table = [
        f"| {row['attack']} | {row['engine']}, {row['other']} | {row['bit_identical']:.1%} "
        f"| {difference_text(row['max_difference'])} | {row['equal_predictions']:.1%} | {row['success_differs']} "
        f"| {row['bound']:g} |"
        for row in certificate["comparisons"]
    ]
    return "\n\n".join(lines[:2]) + "\n\n" + "\n".join(lines[2:] + table)


def _provenance(run: dict[str, Any]) -> str:
    versions = ", ".join(f"{name} {number}" for name, number in run["versions"].items())
    machine = run["machine"]
    data = "; ".join(f"{channels} {facts['digest']}" for channels, facts in run["data"].items())
    return (
        "## Provenance\n\n"
        f"- command: `{_escape(run['command'])}`\n- versions: {versions}\n"
        f"- machine: {machine['device_name']}, {machine['threads']} threads, training in {machine['precision']}\n"
        f"- data digest: {data}\n- seconds: {run['seconds']}; cells computed {run['computed']}, reused {run['reused']}"
    )


def _escape(text: str) -> str:
    """Text of the user's in one line of Markdown."""
    return " ".join(text.split()).replace("`", "'").replace("|", "\\|").replace("<", "&lt;")
