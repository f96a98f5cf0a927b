"""What a report says, as plain data: its parts in order, which `report.md` and the page lay out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from mri_robust.report.cells import Cell, Table, comparable, meanings, text
from mri_robust.report.experiment import (
    Comparison,
    Description,
    comparison_table,
    comparisons,
    experiment_tables,
    pairs_table,
    prepare,
)
from mri_robust.report.metrics import model_title
from mri_robust.study.results_folder import ResultsFolder
from mri_robust.study.threats import AI_ACT, NIST

NOT_COMPARED = (
    "Numbers in brackets are not compared: those models of the study started from ImageNet's weights, ours did not."
)
TITLES = {
    "accuracy": "Accuracy over epsilon",
    "artefacts": "Accuracy under MRI artefacts",
    "curves": "Accuracy over the epochs of training",
    "confusion": "Confusion matrices",
    "roc": "ROC curves",
    "extraction": "Copies over the number of queries",
    "detectors": "What detectors catch",
    "pruning": "Accuracy and attack success over pruned channels",
    "gallery": "Test images under rising epsilon",
    "sheet": "Images",
}
"""Name of a figure -> its caption."""


@dataclass(frozen=True)
class Picture:
    """A figure that was drawn: its name, protocol, caption, and path without an ending."""

    name: str
    protocol: str
    path: Path

    @property
    def caption(self) -> str:
        """What stands under it."""
        return f"{TITLES.get(self.name, self.name)}, protocol {self.protocol}"


class Section:
    """One experiment of a report.

    Args:
        description: of the experiment.
        results: the folder.
    """

    def __init__(self, description: Description, results: ResultsFolder) -> None:
        self.description = description
        self.name, self.title, self.reference = (str(description[key]) for key in ("name", "title", "reference"))
        self.faults: dict[str, str] = description["faults"]
        self.rows = prepare(results.table(self.name), description)
        self.comparisons: list[Comparison] = comparisons(description, self.rows)
        tables = [
            comparison_table(self.comparisons, description["columns"] == "model"),
            *experiment_tables(description, self.rows),
        ]
        tables.append(pairs_table(description, results.table("comparisons")))
        self.tables = [table for table in tables if table is not None]

    @property
    def threats(self) -> list[str]:
        """Names of the threats that it tests."""
        return [threat["name"] for threat in self.description["threats"]]

    @property
    def notes(self) -> list[str]:
        """What stands below its tables: how close to the study, what is not compared, what the metrics mean."""
        unlike = not all(comparable(weights) for weights in self.rows["weights"]) and self.comparisons
        return [note for note in (self.distance, NOT_COMPARED if unlike else "", meanings(self.tables)) if note]

    @property
    def compared(self) -> list[Comparison]:
        """The numbers measured under protocol `paper` by models that started as the study's did, the furthest first."""
        return sorted((each for each in self.comparisons if each.distance is not None), key=lambda each: -_far(each))

    @property
    def distance(self) -> str:
        """How close protocol `paper` comes to the study, in words; empty where it was not run."""
        if not self.compared:
            return ""
        far = self.compared[0]
        return (
            f"Protocol paper against the study: mean distance {self.mean_distance:.3f} over {len(self.compared)} numbers, "
            f"largest {_far(far):.3f} ({far.place}: {far.study:.2f} in the study, {far.ours['paper']['value']:.3f} here)."
        )

    @property
    def mean_distance(self) -> float:
        """Mean of |ours under `paper` - the study's|; there is a number."""
        return sum(map(_far, self.compared)) / len(self.compared)

    def select(self, metric: str, protocol: str = "sound", **columns: Any) -> Any:
        """The rows of one metric over all test images under a protocol; `columns` say more, `label` the class."""
        rows = self.rows
        asked = {"metric": metric, "protocol": protocol, "subset": "all", "class": columns.pop("label", ""), **columns}
        for name, value in asked.items():
            if name not in rows:
                return rows.iloc[:0]
            rows = rows[rows[name].astype(str) == str(value)]
        return rows


class Report:
    """Everything that a report says of a results folder.

    Args:
        folder: where a finished run lies.

    Raises:
        UserError: the folder holds no finished run.
    """

    def __init__(self, folder: Path) -> None:
        self.results = ResultsFolder(folder)
        self.run = self.results.json("run")
        self.certificate = self.results.json("crosscheck")
        self.sections = [Section(each, self.results) for each in self.run["experiments"]]
        self.data: dict[str, Any] = next(iter(self.run["data"].values()))

    @cached_property
    def closeness(self) -> Table | None:
        """One row per experiment: how far protocol `paper` comes to the study's numbers; None where it was not run."""
        if "paper" not in self.run["protocols"]:
            return None
        rows = []
        for each in self.sections:
            far = [Cell("–"), Cell("–")]
            if each.compared:
                distance = _far(each.compared[0])
                far = [
                    Cell(f"{each.mean_distance:.3f}", sort=each.mean_distance),
                    Cell(f"{distance:.3f}", each.compared[0].place, sort=distance),
                ]
            printed = [found for found in each.comparisons if "paper" in found.ours]
            counts = [Cell(str(len(found)), sort=len(found)) for found in (printed, each.compared)]
            rows.append((text(each.title, link=each.name), text(each.reference), *counts, *far))
        heads = ("experiment", "in the study", "its numbers", "compared", "mean distance", "largest distance")
        return Table("Distance to the study's numbers", heads, tuple(rows), 2)

    @cached_property
    def threats(self) -> Table:
        """One row per experiment and threat that it tests."""
        rows = tuple(
            (
                text(each.title, link=each.name),
                text("defence" if threat["defence"] else "attacker"),
                text(threat["attacker"]),
                text(threat["ai_act"]),
                text(threat["nist"], below=f"section {NIST.get(threat['nist'], '?')}"),
            )
            for each in self.sections
            for threat in each.description["threats"]
        )
        heads = ("experiment", "role", "what it does", "AI Act, Article 15(5)", "NIST AI 100-2")
        return Table("Experiments of this run", heads, rows, len(heads))

    @property
    def untested(self) -> list[tuple[str, str]]:
        """(source, what of it no experiment of the run tests)."""
        tested = [threat for each in self.sections for threat in each.description["threats"]]
        law = [f"{name} ({words})" for name, words in AI_ACT.items() if name not in {each["ai_act"] for each in tested}]
        kinds = {each["nist"] for each in tested}
        nist = [f"{name} (section {place})" for name, place in NIST.items() if name not in kinds]
        return [(source, "; ".join(left)) for source, left in (("Article 15(5)", law), ("NIST AI 100-2", nist)) if left]

    @cached_property
    def sanity(self) -> Table | None:
        """One row per check and one column per model, and below what tripped; None where no model was checked."""
        found: dict[str, dict[str, dict[str, Any]]] = {}
        several = {name: len(self.run[f"{name}s"]) > 1 for name in ("protocol", "seed")}
        for each in self.run["findings"]:
            more = (f"{name} {each[name]}" for name in several if several[name])
            found.setdefault(", ".join([model_title(each["model"]), *more]), {})[each["check"]] = each
        if not found:
            return None
        checks = list(dict.fromkeys(check for findings in found.values() for check in findings))
        rows = tuple(
            (text(check.replace("-", " ")), *(text(_verdict(findings.get(check))) for findings in found.values()))
            for check in checks
        )
        asked = sum(map(len, found.values()))
        tripped = [
            f"{model}: {each['message']}."
            for model, of_model in found.items()
            for each in of_model.values()
            if each["tripped"]
        ]
        caption = f"{len(tripped)} of {asked} checks tripped" if tripped else f"All {asked} checks passed"
        return Table(caption, ("check", *found), rows, 1 + len(found), " ".join(tripped))

    @property
    def certified(self) -> Table:
        """One row per attack and pair of engines that was cross-checked."""
        return certificate_table(self.certificate["comparisons"], self.certificate["images"])

    @property
    def warnings(self) -> list[str]:
        """What must be known before any number."""
        failed = [
            f"a measurement failed and its rows are missing: {each}" for each in dict.fromkeys(self.run["failed"])
        ]
        return [*self.run["warnings"], *failed]

    @property
    def provenance(self) -> list[tuple[str, list[str]]]:
        """(what, its lines) of everything that decided the numbers."""
        run, machine = self.run, self.run["machine"]
        return [
            ("Command", [run["command"]]),
            ("Data", [self._data(channels, facts) for channels, facts in run["data"].items()]),
            (f"Scale {run['scale']} cuts", run["cuts"] or ["nothing"]),
            ("Protocols", [", ".join(run["protocols"])]),
            ("Seeds", [", ".join(map(str, run["seeds"]))]),
            ("Attack engine", [run["engine"]]),
            ("First weights", [run["weights"] or "random"]),
            ("Device", [f"{machine['device_name']}, {machine['threads']} threads, training in {machine['precision']}"]),
            ("Versions", [f"{name} {number}" for name, number in run["versions"].items()]),
            (
                "Time",
                [
                    f"{run['seconds']} seconds; {run['computed']} evaluations computed, {run['reused']} read from earlier runs"
                ],
            ),
        ]

    @staticmethod
    def _data(channels: str, facts: dict[str, Any]) -> str:
        return f"{facts['name']}, {channels}: {facts['train']} training, {facts['test']} test images, digest {facts['digest']}"

    def draw(self) -> dict[str, list[Picture]]:
        """Draw every figure into `figures/`, as PNG and SVG; experiment -> its pictures, both protocols of one together."""
        from mri_robust.report.figures import KINDS, draw_all, save

        drawn: dict[str, list[Picture]] = {}
        order = list(KINDS)
        for each in self.sections:
            pictures = drawn.setdefault(each.name, [])
            for protocol in dict.fromkeys(each.rows["protocol"]):
                for name, figure in draw_all(self.results, dict(each.description), protocol).items():
                    path = self.results.path / "figures" / f"{each.name}-{protocol}-{name}"
                    save(figure, path)
                    pictures.append(Picture(name, protocol, path))
            pictures.sort(key=lambda picture: order.index(picture.name))
        return drawn

    def galleries(self) -> Iterator[tuple[str, str, list[dict[str, Any]]]]:
        """(heading, model, strips) of the pictures under rising epsilon, of the first seed."""
        for labels, strips in self.results.artefacts("gallery", seed=self.run["seeds"][0]):
            yield f"{labels['experiment'].upper()}, {labels['protocol']}", model_title(labels["model"]), strips


def certificate_table(compared: list[dict[str, Any]], images: int | None = None) -> Table:
    """The comparisons of a cross-check: one row per attack and pair of engines."""
    rows = tuple(
        (
            text(row["attack"]),
            text(f"{row['engine']}, {row['other']}"),
            Cell(f"{row['bit_identical']:.1%}", sort=row["bit_identical"]),
            Cell(
                "not a number" if row["max_difference"] is None else f"{row['max_difference']:.1e}",
                sort=row["max_difference"],
            ),
            Cell(f"{row['equal_predictions']:.1%}", sort=row["equal_predictions"]),
            Cell(str(row["success_differs"]), sort=row["success_differs"]),
            Cell(f"{row['bound']:g}", sort=row["bound"]),
            text("passed" if row["passed"] else "FAILED"),
        )
        for row in compared
    )
    heads = (
        "attack",
        "engines",
        "bit-identical",
        "largest difference",
        "equal predictions",
        "success differs",
        "bound",
    )
    return Table(f"Cross-check on {images} images" if images else "Cross-check", (*heads, "verdict"), rows, 2)


def _far(comparison: Comparison) -> float:
    return comparison.distance or 0.0


def _verdict(finding: dict[str, Any] | None) -> str:
    return "–" if finding is None else "WARNING" if finding["tripped"] else "passed"
