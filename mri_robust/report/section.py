"""One experiment of `report.md`: side by side, a table a protocol, figures, and what separates the protocols."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from mri_robust.report.by_condition import by_condition
from mri_robust.report.comparison_tables import comparison_tables, metric_name, study_row
from mri_robust.report.distance import Closeness, closeness, distances
from mri_robust.report.entry import entry_text, interval_text
from mri_robust.report.layout import Grid, arrange, title
from mri_robust.report.markup import escape, table_markdown
from mri_robust.report.paired import paired_lines
from mri_robust.report.results import Results
from mri_robust.report.side_by_side import compare
from mri_robust.study.experiment import Experiment
from mri_robust.study.protocol import FAULTS
from mri_robust.study.recipe import comparable_weights

MEANINGS = {
    "relative_accuracy": "Relative to clean: accuracy as a share of the accuracy on clean images.",
    "pruned": "Pruned: share of the channels of the last convolution.",
    "removed": "Removed: share of the training images.",
    "asr": "Attack success: share of the triggered tumour images that are called healthy.",
    "missed_tumour_rate": "Missed tumours: share of the tumour images that are called healthy.",
    "fidelity": "Fidelity: share of the test images that the copy and the model call the same.",
    "right_answers": "Right answers: share of the queries whose answer names the class that the model gives.",
    "fidelity_gap": "Ours − ART's: fidelity of the copy by our own code less that by ART on the same queries, whose "
    "batches come in another order; .1 at most where both have learned.",
    "tpr_at_1_fpr": "TPR at 1 % FPR: share of the members found where at most 1 % of the others are taken for members.",
    "same_as_art": "Same as ART: share of the images of which our code says what ART's says.",
    "second_confidence": "2nd model's: the confidence of a model of another architecture and other first weights.",
    "recognised": "Recognised: share of the images whose class the second model names.",
    "nearest_ssim": "SSIM, nearest: with the most similar of all training images of the class. An image that showed a "
    "patient would come near 1, nearer than test images do.",
    "mean_ssim": "SSIM, class mean: with the mean of the class's training images.",
    "roughness": "Roughness: mean difference of neighbouring pixels.",
    "art_difference": "Ours − ART's, greatest: of a pixel, by the same equation from the same start.",
    "members": "Members: images seen in training; others: images held out of it, or test images, without a twin among "
    "those seen. The control calls held-out images members, though nobody has seen them.",
}
"""Metric -> its footnote, for those that a name does not explain."""


def experiment_section(results: Results, experiment: Experiment, figures: dict[str, list[Path]]) -> str:
    """The section of one experiment; `figures` maps protocols to the figures drawn, relative to the report."""
    table = results.tables[experiment.name]
    parts = [f"## {experiment.title} ({experiment.reference}){_fault_numbers(experiment)}"]
    parts += _side_by_side(table, experiment)
    for protocol in results.protocols(experiment.name):
        rows = table[table["protocol"] == protocol]
        parts.append(f"### Protocol `{protocol}`")
        parts += _by_epsilon(rows, experiment) if experiment.layout == "epsilon" else _by_condition(rows)
        parts += _paired(results, experiment, protocol)
        parts += [f"![{path.stem}]({path.as_posix()})" for path in figures.get(protocol, [])]
    if not all(comparable_weights(weights) for weights in table["weights"].unique()):
        parts.append(
            "Numbers in brackets are not compared: those models of the study started from ImageNet's weights, ours "
            "did not."
        )
    if experiment.faults:
        faults = (f"- [{number}] `{name}`: {FAULTS[name]}" for number, name in enumerate(experiment.faults, start=1))
        parts.append("What separates the protocols `paper` and `sound`:\n\n" + "\n".join(faults))
    return "\n\n".join(parts)


def place_of(number: pd.Series, experiment: Experiment) -> str:
    """Where a row of `distances` stands in the study, in words: `CNN_backdoor, notumor recall`."""
    row = study_row(number["printed"], experiment)
    what = " ".join(part for part in (number["class"], metric_name(number["metric"])) if part)
    return ", ".join(part for part in (title(number["model"]), row, what) if part)


def _fault_numbers(experiment: Experiment) -> str:
    count = len(experiment.faults)
    return {0: "", 1: " [1]"}.get(count, f" [1–{count}]")


def _side_by_side(table: pd.DataFrame, experiment: Experiment) -> list[str]:
    comparisons = compare(table)
    tables = comparison_tables(comparisons, experiment)
    if not tables:
        return []
    parts = ["### Side by side"]
    if experiment.layout != "conditions":
        parts.append(
            "Each entry: the study's number · ours under protocol `paper` · ours under protocol `sound` with its 95 % "
            "interval."
        )
    for each in tables:
        parts += [f"**{escape(each.heading)}**"] if each.heading else []
        parts.append(table_markdown(each.heads, each.lines, align=_align(each.texts, each.heads)))
    return [*parts, *_closeness_line(closeness(distances(table)), experiment)]


def _closeness_line(close: Closeness, experiment: Experiment) -> list[str]:
    if close.furthest is None:
        return []
    furthest = close.furthest
    return [
        f"Protocol `paper` against the study: mean distance {close.mean:.3f} over {close.compared} numbers, largest "
        f"{furthest['distance']:.3f} ({escape(place_of(furthest, experiment))}: {furthest['study']:.2f} in the study, "
        f"{furthest['ours']:.3f} here)."
    ]


def _by_epsilon(rows: pd.DataFrame, experiment: Experiment) -> list[str]:
    """Accuracy as the study lays it out, and beside it what the study did not count."""
    parts = [
        "Accuracy: measured · the study's. Rows without /255 are named as the study "
        "prints them, in units of .1813 of the pixel range: 0.1 is 4.62/255. A row `worst` counts an image as "
        "fooled when it is wrong without attack, or fooled at that epsilon or a smaller one of these rows.",
        _grid_markdown(arrange(rows, experiment)),
    ]
    for metric, subset, heading in (
        ("accuracy", "leak-free", "Accuracy on the test images without a twin in training"),
        ("missed_tumour_rate", "all", "Missed tumours: share of tumour images called healthy"),
    ):
        grid = arrange(rows, experiment, metric=metric, subset=subset)
        if grid.lines:
            parts.append(f"{heading}:\n\n{_grid_markdown(grid)}")
    return parts


def _paired(results: Results, experiment: Experiment, protocol: str) -> list[str]:
    """Which model is better at the epsilon that no eye sees, image by image."""
    heads, lines = paired_lines(results.folder, experiment.name, protocol)
    if not lines:
        return []
    explained = (
        "Pairs of models on the same images at 4/255: how much more accurate the first is, with the 95 % interval of "
        "the paired bootstrap over images and seeds; images that just one of them gets right, and McNemar's exact "
        "test, of the first seed. Every pair and epsilon stands in `comparisons.csv`."
    )
    return [explained, table_markdown(heads, lines, align=_align(3, heads))]


def _grid_markdown(grid: Grid) -> str:
    heads = [*grid.headers, *map(title, grid.models)]
    lines = [[*line.heads, *(entry_text(line.entries.get(model)) for model in grid.models)] for line in grid.lines]
    return table_markdown(heads, lines, align=_align(len(grid.headers), heads))


def _by_condition(rows: pd.DataFrame) -> list[str]:
    """Overall metrics of every model and condition, with their intervals."""
    table = by_condition(rows)
    if not table.lines:
        return []
    lines = [[title(line.model), line.condition, *table.texts(line, interval_text)] for line in table.lines]
    notes = [MEANINGS[metric] for metric, _ in table.columns if metric in MEANINGS]
    heads = ["model", "condition", *table.headings]
    return [table_markdown(heads, lines, align=_align(2, heads)), *([" ".join(notes)] if notes else [])]


def _align(texts: int, heads: Sequence[str]) -> str:
    return "l" * texts + "r" * (len(heads) - texts)
