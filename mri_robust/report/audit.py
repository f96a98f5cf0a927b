"""What is said of a data set: its summary, the tables of its audit, and the pairs of images to look at first."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from rich.console import Console

from mri_robust.data.patients import slices_said
from mri_robust.report.contact_sheet import Picture, Strip
from mri_robust.report.tables import Table, print_table, table_of

if TYPE_CHECKING:
    from mri_robust.data.audit import Summary
    from mri_robust.data.dataset import Dataset

Audit = Any  # `data.audit.full.Audit`: what is printed of it needs no import
SHARES = ("colour", "frame")  # features that are shares of images
CONFLICTS, MOST = 8, 24  # most pairs of one picture in two classes that are named, and most pairs that are drawn
_CONFLICT, _UNKNOWN = "#B34700", "too few images to tell"


def print_summary(dataset: Dataset, summary: Summary, console: Console) -> None:
    """Print how many images there are of each class, and the other facts of a data set."""
    tested, sizes = len(dataset.test), [f"{size} ({count})" for size, count in summary.original_sizes.items()]
    more = f", and {len(sizes) - 4} other sizes" if len(sizes) > 4 else ""
    mean, std = (" ".join(f"{value:.4f}" for value in values) for values in (summary.mean, summary.std))
    facts = {
        "files": ", ".join(sizes[:4]) + more,
        "loaded as": f"{dataset.size} x {dataset.size} pixels, {dataset.channels}",
        "mean": f"{mean} over training pixels in [0, 1]",
        "std": std,
        "digest": dataset.digest,
        "skipped": _counted(dataset.skipped),
        "repeated": f"{summary.repeated['train']} in train, {summary.repeated['test']} in test",
        "leaked": f"{summary.leaked} of {tested} test images ({summary.leaked / tested:.1%}) are also in train",
    }
    if dataset.test.patients:
        facts["patients"] = slices_said((*dataset.train.patients, *dataset.test.patients))
    counts = pd.DataFrame({"train": summary.train, "test": summary.test}, dataset.classes)
    counts.loc["all"] = counts.sum()
    told = [{"": name, " ": fact} for name, fact in facts.items() if fact]
    both = _frame_table(dataset.name, counts.assign(both=counts.sum(axis=1)), "class")
    for table in (both, table_of("", told, texts=2)):
        print_table(table, console)


def print_audit(audit: Audit, console: Console) -> None:
    """Print the tables of an audit and what follows from them; they need 100 columns and fold in fewer."""
    counts = pd.concat([audit.counts, audit.counts.sum().to_frame("all").T])
    shares = (counts / counts.loc["all"]).map("{:.1%}".format).add_prefix("share of ")
    heads = [head for split in counts for head in (split, f"share of {split}")]
    means = pd.concat([audit.by_class, audit.by_split.rename("all of {}".format)])
    means = means.apply(lambda column: column.map(("{:.1%}" if column.name in SHARES else "{:.1f}").format))
    alone = pd.DataFrame({"class: accuracy": audit.class_accuracy["accuracy"], "split: AUC": audit.split_auc}).T
    alone = alone[means.columns].map(lambda rate: "" if math.isnan(rate) else f"{rate:.2f}")
    telling = "What gives an image away: means, and how well each alone tells class and split"
    facts = [{"": name, " ": fact} for name, fact in conclusions(audit)]
    for table in (
        _frame_table(f"{audit.name}: images", pd.concat([counts, shares], axis=1)[heads], "class"),
        _frame_table("Images of the same picture (each line takes in the one above)", audit.duplicates),
        _frame_table(telling, pd.concat([means, alone])),
        table_of("Conclusions", facts, 2),
    ):
        print_table(table, console)


def conclusions(audit: Audit) -> list[tuple[str, str]]:
    """What the numbers of an audit mean: (topic, sentence)."""
    tested = int((audit.images["split"] == "test").sum())
    exact, upright, flipped = (int(count) for count in audit.duplicates["seen"])
    leaked = (
        f"{flipped} of {tested} test images ({flipped / tested:.1%}) show a picture that is also in training: "
        f"{exact} pixel for pixel, {upright - exact} nearly, {flipped - upright} mirrored or upside down"
    )
    conflicts = audit.findings[audit.findings["kind"] == "label conflict"]
    named = [f"{one} = {other}" for one, other in zip(conflicts["file"], conflicts["other_file"], strict=True)]
    more = [f"and {len(named) - CONFLICTS} more"] if len(named) > CONFLICTS else []
    said = f"the same picture in two classes, {len(named)} pairs:" if named else "no picture stands in two classes"
    coloured = audit.images[audit.images["colour"] > 0]["class"].value_counts()
    accuracy, low, high = map(float, audit.class_accuracy.loc["together"])
    by_class = (
        f"a tree that sees only colour, frame, border, corners and file size is right on {accuracy:.1%} "
        f"({low:.1%} to {high:.1%}); always naming the largest class, on {audit.majority:.1%}"
    )
    auc = float(audit.split_auc["together"])
    by_split = f"from the same, test images are told from training images with AUC {auc:.3f} (.5 is not at all)"
    return [
        ("patients", audit.patients or "nobody says whose images these are: --groups, a table of files and patients"),
        *(("leaked", leaked), ("conflicts", said), *(("", each) for each in (*named[:CONFLICTS], *more))),
        ("colour", ", ".join(f"{count} {name}" for name, count in coloured.items()) or "none"),
        ("class", _UNKNOWN if math.isnan(accuracy) else by_class),
        ("split", _UNKNOWN if math.isnan(auc) else by_split),
        ("skipped", _counted(audit.skipped)),
    ]


def _counted(skipped: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {reason}" for reason, count in sorted(skipped.items())) or "none"


def _frame_table(caption: str, frame: pd.DataFrame, index: str = "") -> Table:
    """A table of a frame, its index in the first column, under the heading `index`."""
    frame = frame.rename(columns=lambda name: name.replace("_", " ")).rename_axis(index).reset_index()
    return table_of(caption, frame.to_dict("records"))


def telling_pairs(findings: pd.DataFrame, group: pd.Series) -> pd.DataFrame:
    """The pairs to look at first, at most `MOST`, of `Audit.findings`; `group` is file name -> its group.

    Label conflicts come first. Then, from every group of images one pair: those between training and test before those
    within a split, and where there are too many, spread from the nearest to the farthest, so that the last ones show
    how much alike pictures at the limit are.
    """
    conflicts = findings[findings["kind"] == "label conflict"].head(MOST)
    near = findings[(findings["kind"] == "near") & (findings["class"] == findings["other_class"])]
    near = near.assign(group=near["file"].map(group), within=near["split"] == near["other_split"])
    # The farthest pair of a group says more than its nearest, which may be the same file re-encoded.
    near = near.sort_values(["within", "distance"], ascending=[True, False], kind="stable").drop_duplicates("group")
    room, parts = MOST - len(conflicts), []
    for _, part in near.groupby("within"):
        ordered = part.sort_values("distance", kind="stable")
        roots = np.sqrt(ordered["distance"].to_numpy())
        spread = np.searchsorted(roots, np.linspace(roots[0], roots[-1], room))
        places = list(dict.fromkeys([*spread.tolist(), *range(len(part))]))[:room]
        parts.append(ordered.iloc[places])
        room -= len(places)
    chosen = pd.concat(parts).sort_values("distance", kind="stable") if parts else near
    return pd.concat([conflicts, chosen])[list(findings.columns)]


def pair_strips(pairs: pd.DataFrame, dataset: Dataset) -> list[Strip]:
    """A strip per row of `Audit.findings`: both images as they lie, under them their names, above distance and flip."""
    splits = (dataset.train, dataset.test)
    images = {name: image for each in splits for name, image in zip(each.names, each.images, strict=True)}
    strips: list[Strip] = []
    for row in pairs.to_dict("records"):
        conflict = row["kind"] == "label conflict"
        words = ["LABEL CONFLICT" if conflict else "", f"distance {row['distance']:.4f}", row["flip"]]
        colour = _CONFLICT if conflict else ""
        files = (row["file"], row["other_file"])
        pictures = [Picture(images[file], "/\n".join(file.rsplit("/", 1)), colour) for file in files]
        strips.append((", ".join(filter(None, words)), pictures))
    return strips
