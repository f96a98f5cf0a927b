"""What a report says, as plain data: its parts in order, which `report.md` and the page lay out."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mri_robust.report import experiment
from mri_robust.report.metrics import METRICS, SUBSETS, capitalised, model_title
from mri_robust.report.tables import Cell, Table, table_of
from mri_robust.study.epsilon import IN_L2
from mri_robust.study.results_folder import ResultsFolder

OF_THE_STUDYS_IMAGES = ("leaky-split", "rgb-images")  # faults that no other images have
NOT_COMPARED = (
    "Numbers in brackets are not compared: those models of the study started from ImageNet's weights, ours did not."
)
PRINTED = "“printed” is how the study writes the row; its epsilon counts in normalised units, ours in pixels."


class Section:
    """One experiment of a report, by its description and the folder of its results.

    `compared` holds (distance to the study, number) of all that can be compared under protocol `paper`, the furthest
    first; `notes` stand below the tables; `intervals` says how theirs are made, where patients are known.
    """

    def __init__(self, description: experiment.Description, results: ResultsFolder, intervals: str = "") -> None:
        self.description = description
        self.name, self.title, self.reference = (str(description[key]) for key in ("name", "title", "reference"))
        self.faults: dict[str, str] = description["faults"]
        self.threats: list[dict[str, Any]] = description["threats"]
        self.tests = [threat["name"] for threat in self.threats]
        self.rows = experiment.prepare(results.table(self.name), description)
        self.comparisons = experiment.comparisons(description, self.rows)
        beside = experiment.comparison_table(self.comparisons, folded=description["columns"] == "model")
        pairs = experiment.pairs_table(description, results.table("comparisons"))
        found = [beside, *experiment.experiment_tables(description, self.rows), pairs]
        self.tables = [table for table in found if table is not None]
        gaps = [(abs(each.gap), each) for each in self.comparisons if each.gap is not None]
        self.compared: list[tuple[float, experiment.Comparison]] = sorted(gaps, key=lambda pair: -pair[0])
        self.mean_distance = f"{sum(far for far, _ in gaps) / len(gaps):.3f}" if gaps else "–"
        self.notes: list[str] = []
        for far, each in self.compared[:1]:
            counted = f"mean distance {self.mean_distance} over {len(self.compared)} numbers, largest {far:.3f}"
            where = f"{each.place}: {each.study:.2f} in the study, {each.value('paper'):.3f} here"
            self.notes.append(f"Protocol paper against the study: {counted} ({where}).")
        self.notes += [NOT_COMPARED] if any(not each.comparable for each in self.comparisons) else []
        self.notes += [PRINTED] if any(each.printed for each in self.comparisons) else []
        self.notes += [f"ε is {IN_L2}."] if (self.rows["norm"] == "l2").any() else []
        self.notes += filter(None, [meanings(self.tables), f"{intervals}." if intervals else ""])


def meanings(tables: Iterable[Table]) -> str:
    """What the metrics in some tables mean, each once."""
    names, subsets = ({pair[place] for table in tables for pair in table.metrics} for place in (0, 1))
    said = {each.heading: each.meaning for name, each in METRICS.items() if name in names}
    said |= {name: meaning for name, meaning in SUBSETS.items() if name in subsets}
    words = "; ".join(f"{name}: {meaning}" for name, meaning in said.items() if meaning)
    return capitalised(words) + "." if words else ""


class Report:
    """Everything that a report says of a results folder; UserError without a finished run, or for a damaged file."""

    def __init__(self, folder: Path) -> None:
        self.results = ResultsFolder(folder)
        self.run = self.results.json("run")
        self.not_run: list[str] = self.run["not_run"]
        self.certificate = None if "cross-check" in self.not_run else self.results.json("crosscheck")
        self.data: dict[str, Any] = next(iter(self.run["data"].values()))
        self.sections = []
        for each in self.run["experiments"]:
            without = OF_THE_STUDYS_IMAGES if self.data["name"] == "phantom" else ()
            # No study measured the user's own models.
            met = {} if self.run["own_models"] else each["faults"]
            faults = {name: said for name, said in met.items() if name not in without}
            self.sections.append(Section({**each, "faults": faults}, self.results, self.data.get("intervals", "")))
        failed = (f"a measurement failed, its rows are missing: {each}" for each in dict.fromkeys(self.run["failed"]))
        self.warnings = [*self.run["warnings"], *failed]

    @property
    def closeness(self) -> Table | None:
        """One row per experiment: how far protocol `paper` comes to the study's numbers; None where it was not run."""
        if "paper" not in self.run["protocols"]:
            return None
        records = []
        for each in filter(lambda section: section.comparisons, self.sections):
            record = {"experiment": Cell(each.title, link=each.name), "in the study": each.reference}
            record["its numbers"] = sum("paper" in number.ours for number in each.comparisons)
            record |= {"compared": len(each.compared), "mean distance": each.mean_distance}
            largest = [Cell(f"{far:.3f}", where.place, sort=far) for far, where in each.compared[:1]] or [Cell("–")]
            records.append({**record, "largest distance": largest[0]})
        return table_of("Distance to the study's numbers", records, 2)

    @property
    def sanity(self) -> Table | None:
        """One row per check and one column per model, and below what tripped; None where no model was checked."""
        several = [name for name in ("protocol", "seed") if len(self.run[f"{name}s"]) > 1]
        records: dict[str, dict[str, str]] = {}
        tripped = []
        for each in self.run["findings"]:
            model = ", ".join([model_title(each["model"]), *(f"{name} {each[name]}" for name in several)])
            record = records.setdefault(each["check"], {"check": each["check"].replace("-", " ")})
            record[model] = "WARNING" if each["tripped"] else "passed"
            tripped += [f"{model}: {each['message']}."] if each["tripped"] else []
        asked = sum(len(record) - 1 for record in records.values())
        caption = f"{len(tripped)} of {asked} checks tripped" if tripped else f"All {asked} checks passed"
        return table_of(caption, list(records.values()), asked, " ".join(tripped)) if records else None

    @property
    def certified(self) -> Table | None:
        """One row per attack and pair of engines that was cross-checked; None where that was not run."""
        if self.certificate is None:
            return None
        return certificate_table(self.certificate["comparisons"], f"Cross-check on {self.certificate['images']} images")

    @property
    def provenance(self) -> list[tuple[str, list[str]]]:
        """(what, its lines) of everything that decided the numbers."""
        run, machine = self.run, self.run["machine"]
        data = "{name}, {}: {train} training, {test} test images, {leaked} of them also in training, digest {digest}"
        counted = f"{run['computed']} evaluations computed, {run['reused']} read from an earlier run"
        # A user's own model is not the study's at another scale, and the run did not choose its first weights.
        cuts, first = (f"Scale {run['scale']} cuts", run["cuts"] or ["nothing"]), [run["weights"] or "random"]
        return [
            *([("Notes", run["notes"])] if run["notes"] else []),
            ("Command", [run["command"]]),
            ("Data", [data.format(channels, **facts) for channels, facts in run["data"].items()]),
            ("Protocols", [", ".join(run["protocols"])]),
            ("Seeds", [", ".join(map(str, run["seeds"]))]),
            ("Attack engine", [run["engine"]]),
            ("Norm of epsilon", [run["norm"]]),
            *([] if run["own_models"] else [cuts, ("First weights", first)]),
            ("Device", [f"{machine['device_name']}, {machine['threads']} threads, training in {machine['precision']}"]),
            ("Versions", [f"{name} {number}" for name, number in run["versions"].items()]),
            ("Time", [f"{run['seconds']} seconds; {counted}"]),
        ]


def certificate_table(compared: list[dict[str, Any]], caption: str = "Cross-check") -> Table:
    """The comparisons of a cross-check: one row per attack and pair of engines, or known deviation."""
    records, known = [], []
    several = any("model" in row for row in compared)
    for row in compared:
        largest = "not a number" if row["max_difference"] is None else f"{row['max_difference']:.1e}"
        record = {"model": row["model"]} if several else {}
        record |= {"attack": row["attack"], "engines": f"{row['engine']}, {row['other']}"}
        record |= {"bit-identical": f"{row['bit_identical']:.1%}", "largest difference": largest}
        record |= {"equal predictions": f"{row['equal_predictions']:.1%}", "success differs": row["success_differs"]}
        bound = "none" if row["bound"] is None else f"{row['bound']:g}"
        verdict = ("deviates" if row.get("deviation") else "passed") if row["passed"] else "FAILED"
        records.append({**record, "images": row["images"], "bound": bound, "verdict": verdict})
        known += [f"{row['other']}, {row['attack']}: {row['deviation']}."] if row.get("deviation") else []
    return table_of(caption, records, 2 + several, " ".join(dict.fromkeys(known)))
