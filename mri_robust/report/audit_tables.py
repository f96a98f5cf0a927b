"""An audit of a data set on the terminal."""

from __future__ import annotations

import math

import pandas as pd
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from mri_robust.data.audit.full import DEGREES, TOGETHER, Audit
from mri_robust.data.layout import shown

_HEADS = {
    "colour": "has\ncolour",
    "frame": "has\nframe",
    "border": "border\nmean",
    "border_spread": "border\nstd",
    "corners": "corners\nmean",
    "width": "file\nwidth",
    "height": "file\nheight",
    "brightness": "image\nmean",
    "contrast": "image\nstd",
    "kilobytes": "file\nkB",
}
_SHARES = ("colour", "frame")
_CONFLICTS = 8


def print_audit(audit: Audit, console: Console) -> None:
    """Print the tables of an audit and what follows from them; they need 100 columns and fold in fewer."""
    facts = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2))
    facts.add_column(style="dim", no_wrap=True)
    facts.add_column(overflow="fold")
    for name, fact in conclusions(audit):
        facts.add_row(name, Text(fact))
    for table in (_class_table(audit), _duplicate_table(audit.duplicates), _feature_table(audit), facts):
        console.print(table, soft_wrap=False)


def conclusions(audit: Audit) -> list[tuple[str, str]]:
    """What the numbers of an audit mean: (subject, sentence)."""
    tested = int((audit.images["split"] == "test").sum())
    exact, upright, flipped = (int(audit.duplicates["seen"][degree]) for degree in DEGREES)
    coloured = audit.images[audit.images["colour"] > 0]["class"].value_counts()
    accuracy, low, high = (float(audit.class_accuracy[column][TOGETHER]) for column in ("accuracy", "low", "high"))
    auc = float(audit.split_auc[TOGETHER])
    skipped = ", ".join(f"{count} {reason}" for reason, count in sorted(audit.skipped.items()))
    return [
        (
            "leaked",
            f"{flipped} of {tested} test images ({flipped / tested:.1%}) show a picture that is also in training: "
            f"{exact} pixel for pixel, {upright - exact} nearly, {flipped - upright} mirrored or upside down",
        ),
        ("conflicts", _conflicts(audit.findings)),
        ("colour", ", ".join(f"{count} {shown(name)}" for name, count in coloured.items()) or "none"),
        (
            "class",
            "too few images to tell"
            if math.isnan(accuracy)
            else f"a tree that sees only colour, frame, border, corners and file size is right on {accuracy:.1%} "
            f"({low:.1%} to {high:.1%}); always naming the largest class, on {audit.majority:.1%}",
        ),
        (
            "split",
            "too few images to tell"
            if math.isnan(auc)
            else f"from the same, test images are told from training images with AUC {auc:.3f} (.5 is not at all)",
        ),
        ("skipped", skipped or "none"),
    ]


def _conflicts(findings: pd.DataFrame) -> str:
    rows = findings[findings["kind"] == "label conflict"]
    if not len(rows):
        return "no picture stands in two classes"
    named = [f"{shown(one)} = {shown(other)}" for one, other in zip(rows["file"], rows["other_file"], strict=True)]
    more = [f"and {len(rows) - _CONFLICTS} more"] if len(rows) > _CONFLICTS else []
    return "\n".join([f"the same picture in two classes, {len(rows)} pairs:", *named[:_CONFLICTS], *more])


def _class_table(audit: Audit) -> Table:
    table = _table(f"{shown(audit.name)}: images")
    table.show_footer = True
    table.add_column("class", footer="all", overflow="fold")
    counts = audit.counts
    columns = []
    for split in ("train", "test"):
        total = counts[split].sum()
        table.add_column(split, footer=str(total), justify="right", no_wrap=True)
        table.add_column("share", justify="right", no_wrap=True)
        columns += [[str(count) for count in counts[split]], [f"{count / total:.1%}" for count in counts[split]]]
    for name, *row in zip(counts.index, *columns, strict=True):
        table.add_row(Text(shown(name)), *row)
    return table


def _duplicate_table(duplicates: pd.DataFrame) -> Table:
    table = _table("Images of the same picture (each line takes in the one above)")
    for head in (
        "",
        "pairs in\ntraining",
        "pairs\nin test",
        "pairs\nbetween",
        "repeats in\ntraining",
        "repeats\nin test",
        "test seen in\ntraining",
        "groups",
        "largest\ngroup",
    ):
        table.add_column(head, justify="right" if head else "left")
    for degree, row in duplicates.iterrows():
        table.add_row(str(degree), *(str(value) for value in row))
    return table


def _feature_table(audit: Audit) -> Table:
    table = _table("What gives an image away: means, and how well each alone tells class and split")
    features = list(audit.by_class.columns)
    table.add_column("", overflow="fold")
    for feature in features:
        table.add_column(_HEADS[feature], justify="right")
    for means in (audit.by_class, audit.by_split.rename({"train": "all of training", "test": "all of test"})):
        for name, row in means.iterrows():
            table.add_row(Text(shown(name)), *(_mean(feature, row[feature]) for feature in features))
        table.add_section()
    accuracies = audit.class_accuracy["accuracy"]
    table.add_row("class: accuracy", *(_rate(accuracies[each]) for each in features))
    table.add_row("split: AUC", *(_rate(audit.split_auc[each]) for each in features))
    return table


def _mean(feature: str, value: float) -> str:
    return f"{value:.1%}" if feature in _SHARES else f"{value:.1f}"


def _rate(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.2f}"


def _table(title: str) -> Table:
    return Table(title=Text(title), title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
