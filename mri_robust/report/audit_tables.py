"""An audit of a data set on the terminal."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from rich.console import Console

from mri_robust.report.cells import Cell, Table, text
from mri_robust.report.tables import print_table

if TYPE_CHECKING:
    from mri_robust.data.audit.full import Audit

HEADS = {
    **{"colour": "has colour", "frame": "has frame", "border": "border mean", "border_spread": "border std"},
    **{"corners": "corners mean", "width": "file width", "height": "file height", "kilobytes": "file kB"},
    **{"brightness": "image mean", "contrast": "image std"},
}
SHARES = ("colour", "frame")
DUPLICATES = {
    **{"pairs_train": "pairs in training", "pairs_test": "pairs in test", "pairs_between": "pairs between"},
    **{"repeats_train": "repeats in training", "repeats_test": "repeats in test", "seen": "test seen in training"},
    **{"groups": "groups", "largest": "largest group"},
}
CONFLICTS = 8
"""Most pairs of one picture in two classes that are named."""


def print_audit(audit: Audit, console: Console) -> None:
    """Print the tables of an audit and what follows from them; they need 100 columns and fold in fewer."""
    facts = tuple((text(name), text(fact)) for name, fact in conclusions(audit))
    for table in (_classes(audit), _duplicates(audit), _features(audit), Table("Conclusions", ("", ""), facts, 2)):
        print_table(table, console)


def conclusions(audit: Audit) -> list[tuple[str, str]]:
    """What the numbers of an audit mean: (subject, sentence)."""
    tested = int((audit.images["split"] == "test").sum())
    exact, upright, flipped = (int(count) for count in audit.duplicates["seen"])
    coloured = audit.images[audit.images["colour"] > 0]["class"].value_counts()
    accuracy, low, high = (float(bound) for bound in audit.class_accuracy.loc["together", ["accuracy", "low", "high"]])
    auc = float(audit.split_auc["together"])
    conflicts = audit.findings[audit.findings["kind"] == "label conflict"]
    named = [f"{one} = {other}" for one, other in zip(conflicts["file"], conflicts["other_file"], strict=True)]
    more = [f"and {len(named) - CONFLICTS} more"] if len(named) > CONFLICTS else []
    said = f"the same picture in two classes, {len(named)} pairs:" if named else "no picture is in two classes"
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
    counted = [*audit.counts.iterrows(), ("all", totals)]
    rows = tuple(
        (
            text(name),
            *(cell for split in totals.index for cell in (_count(row[split]), _share(row[split], totals[split]))),
        )
        for name, row in counted
    )
    return Table(f"{audit.name}: images", ("class", "train", "share", "test", "share"), rows)


def _duplicates(audit: Audit) -> Table:
    rows = tuple((text(name), *map(_count, row[list(DUPLICATES)])) for name, row in audit.duplicates.iterrows())
    return Table("Images of the same picture (each line takes in the one above)", ("", *DUPLICATES.values()), rows)


def _features(audit: Audit) -> Table:
    names = list(audit.by_class.columns)
    means = [*audit.by_class.iterrows(), *((f"all of {name}", row) for name, row in audit.by_split.iterrows())]
    rows = [
        (text(name), *(Cell(f"{row[each]:.1%}" if each in SHARES else f"{row[each]:.1f}") for each in names))
        for name, row in means
    ]
    alone = (("class: accuracy", audit.class_accuracy["accuracy"]), ("split: AUC", audit.split_auc))
    rows += [
        (text(name), *(Cell("" if math.isnan(row[each]) else f"{row[each]:.2f}") for each in names))
        for name, row in alone
    ]
    caption = "What gives an image away: means, and how well each alone tells class and split"
    return Table(caption, ("", *(HEADS[each] for each in names)), tuple(rows))


def _count(value: Any) -> Cell:
    return Cell(str(int(value)))


def _share(value: Any, total: Any) -> Cell:
    return Cell(f"{value / total:.1%}")
