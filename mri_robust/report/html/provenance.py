"""Where the numbers come from: the run, the certificate, how close to the study."""

from __future__ import annotations

from typing import Any

from mri_robust.report.entry import difference_text
from mri_robust.report.html.part import Part
from mri_robust.report.html.tables import Field, Table, text
from mri_robust.report.section import place_of


def provenance(run: dict[str, Any]) -> list[tuple[str, list[str]]]:
    """(what, its lines) of everything that decided the numbers."""
    machine = run["machine"]
    data = [
        f"{facts['name']}, {channels}: {facts['train']} training, {facts['test']} test images, digest {facts['digest']}"
        for channels, facts in run["data"].items()
    ]
    return [
        ("Command", [run["command"]]),
        ("Data", data),
        (f"Scale {run['scale']} cuts", run["cuts"] or ["nothing"]),
        ("Protocols", [", ".join(run["protocols"])]),
        ("Seeds", [", ".join(map(str, run["seeds"]))]),
        ("Attack engine", [run["engine"]]),
        ("First weights", [run["weights"]]),
        ("Device", [f"{machine['device_name']}, {machine['threads']} threads, training in {machine['precision']}"]),
        ("Versions", [f"{name} {number}" for name, number in run["versions"].items()]),
        ("Time", [f"{run['seconds']} seconds; {run['computed']} cells computed, {run['reused']} reused"]),
    ]


def certificate_table(certificate: dict[str, Any]) -> Table:
    """A line an attack and pair of engines."""
    lines = tuple(
        (
            text(row["attack"]),
            text(f"{row['engine']}, {row['other']}"),
            Field(f"{row['bit_identical']:.1%}", sort=row["bit_identical"]),
            Field(difference_text(row["max_difference"]), sort=row["max_difference"]),
            Field(f"{row['equal_predictions']:.1%}", sort=row["equal_predictions"]),
            Field(str(row["success_differs"]), sort=row["success_differs"]),
            Field(f"{row['bound']:g}", sort=row["bound"]),
            text("passed" if row.get("passed", True) else "FAILED"),
        )
        for row in certificate["comparisons"]
    )
    heads = ("attack", "engines", "bit-identical", "greatest difference", "equal predictions", "success differs")
    return Table(f"Cross-check on {certificate['images']} images", (*heads, "bound", "verdict"), lines, 2)


def closeness_table(parts: list[Part]) -> Table:
    """A line an experiment: how far protocol `paper` comes to the study's numbers."""
    lines = []
    for part in parts:
        experiment, close, furthest = part.experiment, part.closeness, part.closeness.furthest
        lines.append(
            (
                text(experiment.title),
                text(experiment.reference),
                Field(str(close.printed), sort=close.printed),
                Field(str(close.compared), sort=close.compared),
                Field("–") if close.mean is None else Field(f"{close.mean:.3f}", sort=close.mean),
                Field("–")
                if furthest is None
                else Field(f"{furthest['distance']:.3f}", place_of(furthest, experiment), float(furthest["distance"])),
            )
        )
    heads = ("experiment", "in the study", "its numbers", "compared", "mean distance", "largest distance")
    return Table("Distance to the study's numbers", heads, tuple(lines), 2)
