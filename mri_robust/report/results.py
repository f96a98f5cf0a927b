"""What a results folder stores, what can go from it, and what differs between two of them."""

import json
import re
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import pandas as pd
from filelock import FileLock, Timeout
from safetensors import SafetensorError, safe_open

from mri_robust.core.errors import UserError
from mri_robust.core.registry import did_you_mean
from mri_robust.report.experiment import NUMBERS, with_factors
from mri_robust.report.metrics import signed
from mri_robust.report.tables import Table, table_of
from mri_robust.study.results_folder import ResultsFolder

NO_FACTS = ("command", "computed", "reused", "seconds", "warnings", "cuts", "failed", "findings", "evaluations")
"""Parts of `run.json` that differ from run to run, or follow from others."""
WHAT = {"both": "differs", "left_only": "only in A", "right_only": "only in B"}
ABOUT = ("experiment", "protocol", "model", "seed", "seconds")
_ASIDE = re.compile(r"\..+-[a-z0-9_]{8}\.(csv|html|json|md|png|svg|safetensors)")
"""How `core.files.written_aside` calls a file before it is moved into place."""

File = dict[str, Any]
"""`file` (its path in the folder), `ABOUT` of a result, `state` (`ok`, `failed`, `partial` for what was cut short,
`damaged`), `used` and `bytes`. `used` says whether the last run used a result, or whether a model was trained on that
run's data; None where no run says."""


def stored(folder: ResultsFolder) -> list[File]:
    """Every result, model and leftover of a folder; UserError where it holds no results, or its run.json is damaged."""
    run = folder.json("run") if (folder.path / "run.json").exists() else None
    if run is None and not folder.evaluations.is_dir():
        raise UserError(f"'{folder.path}' holds no results, neither run.json nor evaluations: give the --out of a run")
    used = {"", *(each["digest"] for each in (*run["evaluations"], *run["data"].values()))} if run else None
    parts = (folder.evaluations, folder.models, folder.path, folder.path / "figures")
    paths = [path for part in parts for path in sorted(part.glob("*")) if path.is_file()]
    found = [(path, _look(path, used)) for path in paths]
    return [{"file": str(path.relative_to(folder.path)), **each} for path, each in found if each]


def removable(files: list[File], *, unused: bool = False) -> list[File]:
    """Failures, what is damaged or half done; `unused`: also what the last run left out, UserError where none says."""
    if unused and all(each["used"] is None for each in files):
        raise UserError("no run.json says what is used: let a run finish there, or clean without --unused")
    return [each for each in files if each["state"] != "ok" or (unused and not each["used"])]


@contextmanager
def while_nobody_runs(folder: ResultsFolder) -> Iterator[None]:
    """Hold every lock of a results folder, so that no run starts on what is being deleted; UserError where one does."""
    with ExitStack() as held:
        for path in sorted(folder.path.rglob("*.lock")):
            try:
                held.enter_context(FileLock(path).acquire(timeout=0))
            except Timeout as error:
                raise UserError(f"a run is at work in '{folder.path}': wait until {path.name} is free") from error
        yield


def files_tables(files: list[File]) -> list[Table]:
    """One row per file, a table per folder, and how many there are of each state."""
    tables, said = [], {True: "yes", False: "no", None: ""}
    for part, own in groupby(files, lambda each: Path(each["file"]).parent.name):
        records = [{**each, "file": Path(each["file"]).name, "used": said[each["used"]]} for each in own]
        counts = ", ".join(f"{count} {state}" for state, count in Counter(each["state"] for each in records).items())
        tables.append(table_of(f"{part or 'folder'}: {counts}", records, texts=len(ABOUT) + 3))
    return tables


@dataclass(frozen=True)
class Differences:
    """Two runs, compared."""

    numbers: pd.DataFrame  # one row per number, with `a`, `b` and `what`: `equal`, or one of `WHAT`
    facts: list[dict[Any, str]]  # what of the runs differs beside them: `fact`, `A`, `B`

    @property
    def same(self) -> bool:
        """Whether both have the same numbers; the facts do not count, which only may explain a difference."""
        return bool((self.numbers["what"] == "equal").all())

    def plain(self) -> dict[str, Any]:
        """All of it as plain data, without the numbers that are equal."""
        others = self.numbers[self.numbers["what"] != "equal"]
        numbers = json.loads(others.to_json(orient="records"))
        return {"same": self.same, "equal": len(self.numbers) - len(others), "numbers": numbers, "facts": self.facts}

    def tables(self, top: int) -> list[Table]:
        """How many differ in each experiment, the `top` that differ most, and the runs' facts."""
        counts = pd.crosstab(self.numbers["experiment"], self.numbers["what"])
        counts = counts.reindex(columns=["equal", *WHAT.values()], fill_value=0).reset_index()
        differ = self.numbers[self.numbers["what"] == "differs"]
        differ = differ.assign(gap=differ["b"] - differ["a"])
        differ = differ.sort_values("gap", key=lambda gaps: -gaps.abs(), na_position="first", kind="stable").head(top)
        names = [name for name in differ if name not in ("a", "b", "n_a", "n_b", "what", "gap", "metric")]
        names = [*(name for name in names if differ[name].nunique() > 1), "metric"]
        largest = []
        for row in differ.to_dict("records"):
            sides = {"A": f"{row['a']:.6g}", "B": f"{row['b']:.6g}", "B − A": signed(row["gap"])}
            largest.append({"number": " · ".join(str(row[name]) for name in names if row[name] != ""), **sides})
        more = [table_of("Largest differences", largest), table_of("Facts that differ", self.facts, 3)]
        return [table_of("Numbers", counts.to_dict("records")), *(table for table in more if table.rows)]


def compare(a: ResultsFolder, b: ResultsFolder, *, tolerance: float = 0.0, ignore: Collection[str] = ()) -> Differences:
    """Compare the last runs of two results folders, number by number, whatever the columns to `ignore` say.

    Numbers differ when their values do by more than `tolerance`, at least 0, or in how many images they count.
    UserError where a folder holds no finished run, a table is damaged, or a column to ignore is in no table.
    """
    runs = [folder.json("run") for folder in (a, b)]
    tables = ([own.table(each["name"]) for each in run["experiments"]] for own, run in zip((a, b), runs, strict=True))
    sides = [pd.concat(each, ignore_index=True) for each in tables]
    keys = [name for name in dict.fromkeys([*sides[0], *sides[1]]) if name not in (*NUMBERS, "printed")]
    if unknown := [name for name in ignore if name not in keys]:
        raise UserError(f"cannot ignore '{unknown[0]}'{did_you_mean(unknown[0], keys)}")
    keys = [name for name in keys if name not in ignore]
    for place, side in enumerate(sides):
        rows = with_factors(side, keys)[[*keys, "value", "n"]]
        sides[place] = rows.assign(place=rows.groupby(keys, sort=False).cumcount())
    how: Any = {"how": "outer", "suffixes": ("_a", "_b"), "indicator": "found_in"}
    both = sides[0].merge(sides[1], on=[*keys, "place"], **how).rename(columns={"value_a": "a", "value_b": "b"})
    same = ((both["a"] - both["b"]).abs() <= tolerance) | (both["a"].isna() & both["b"].isna())
    same &= (both["n_a"].fillna(-1) == both["n_b"].fillna(-1)) & (both["found_in"] == "both")
    both["what"] = both["found_in"].astype(str).map(WHAT).where(~same, "equal")
    told = [{key: value for key, value in run.items() if key not in NO_FACTS} for run in runs]
    facts = pd.concat([pd.json_normalize(each, sep=" ").astype(str).iloc[0] for each in told], axis=1, keys=["A", "B"])
    facts = facts[facts["A"] != facts["B"]].fillna("–").rename_axis("fact").reset_index()
    return Differences(both.drop(columns=["found_in", "place"]), facts.to_dict("records"))


def _look(path: Path, used: set[str] | None) -> File | None:
    """What a file is; None for a table, a report, a lock, or a file that no run wrote."""
    told = {**dict.fromkeys(ABOUT, ""), "state": "damaged", "used": None, "bytes": path.stat().st_size}
    try:
        if _ASIDE.fullmatch(path.name) or path.name.endswith(".partial.safetensors"):
            return {**told, "state": "partial"}
        if path.parent.name == "evaluations" and path.suffix == ".json":
            failed = path.name.endswith(".failed.json")
            about = (json.loads(path.read_text(encoding="utf-8")) if failed else ResultsFolder.sealed(path))["about"]
            told |= {word: about.get(word, "") for word in ABOUT}
            known = {"state": "failed"} if failed else {"state": "ok", "used": used and path.stem in used}
            return {**told, **known}
        if path.parent.name == "models" and path.suffix == ".safetensors":
            with safe_open(path, framework="np") as file:
                notes = json.loads((file.metadata() or {}).get("mri_robust", "{}"))
            return {**told, "state": "ok", "used": used and notes.get("data_digest") in used}
    except (SafetensorError, OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return told
    return told if path.suffix == ".damaged" else None
