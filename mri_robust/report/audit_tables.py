"""An audit of a data set on the terminal."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from rich.console import Console

from mri_robust.report.cells import Table, table_of
from mri_robust.report.tables import print_table

Audit = Any  # `data.audit.full.Audit`: what is printed of it needs no import
SHARES = ("colour", "frame")
"""Features that are shares of images."""
CONFLICTS = 8
"""Most pairs of one picture in two classes that are named."""


def print_audit(audit: Audit, console: Console) -> None:
    """Print the tables of an audit and what follows from them; they need 100 columns and fold in fewer."""
    facts = [{"": name, " ": fact} for name, fact in conclusions(audit)]
    for table in (_classes(audit), _duplicates(audit), _features(audit), table_of("Conclusions", facts, 2)):
        print_table(table, console)


def conclusions(audit: Audit) -> list[tuple[str, str]]:
    """What the numbers of an audit mean: (subject, sentence)."""
    tested = int((audit.images["split"] == "test").sum())
    exact, upright, flipped = (int(count) for count in audit.duplicates["seen"])
    coloured = audit.images[audit.images["colour"] > 0]["class"].value_counts()
    accuracy, low, high = map(float, audit.class_accuracy.loc["together"])
    auc = float(audit.split_auc["together"])
    conflicts = audit.findings[audit.findings["kind"] == "label conflict"]
    named = [f"{one} = {other}" for one, other in zip(conflicts["file"], conflicts["other_file"], strict=True)]
    more = [f"and {len(named) - CONFLICTS} more"] if len(named) > CONFLICTS else []
    said = f"the same picture in two classes, {len(named)} pairs:" if named else "no picture stands in two classes"
    return [
        (
            "leaked",
            f"{flipped} of {tested} test images ({flipped / tested:.1%}) show a picture that is also in training: "
            f"{exact} pixel for pixel, {upright - exact} nearly, {flipped - upright} mirrored or upside down",
        ),
        ("conflicts", said),
        *(("", each) for each in (*named[:CONFLICTS], *more)),
        ("colour", ", ".join(f"{count} {name}" for name, count in coloured.items()) or "none"),
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
        ("skipped", ", ".join(f"{count} {reason}" for reason, count in sorted(audit.skipped.items())) or "none"),
    ]


def _classes(audit: Audit) -> Table:
    totals = audit.counts.sum()
    records = []
    for name, row in [*audit.counts.iterrows(), ("all", totals)]:
        record: dict[str, Any] = {"class": name}
        for split in totals.index:
            record |= {split: int(row[split]), f"share of {split}": f"{row[split] / totals[split]:.1%}"}
        records.append(record)
    return table_of(f"{audit.name}: images", records)


def _duplicates(audit: Audit) -> Table:
    rows = audit.duplicates.iterrows()
    records = [{"": name, **{head.replace("_", " "): int(row[head]) for head in row.index}} for name, row in rows]
    return table_of("Images of the same picture (each line takes in the one above)", records)


def _features(audit: Audit) -> Table:
    def record(name: Any, row: Any, write: Callable[[str, float], str]) -> dict[str, str]:
        features = audit.by_class.columns
        return {"": str(name), **{each.replace("_", " "): write(each, float(row[each])) for each in features}}

    means = [*audit.by_class.iterrows(), *((f"all of {name}", row) for name, row in audit.by_split.iterrows())]
    alone = (("class: accuracy", audit.class_accuracy["accuracy"]), ("split: AUC", audit.split_auc))
    records = [
        record(name, row, lambda each, mean: f"{mean:{'.1%' if each in SHARES else '.1f'}}") for name, row in means
    ]
    records += [record(name, row, lambda _, rate: "" if math.isnan(rate) else f"{rate:.2f}") for name, row in alone]
    return table_of("What gives an image away: means, and how well each alone tells class and split", records)
