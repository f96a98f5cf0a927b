"""What a results folder stores, what can go from it, and what differs between two of them."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from filelock import FileLock, Timeout
from safetensors import SafetensorError, safe_open

from mri_robust.core.errors import UserError
from mri_robust.core.registry import did_you_mean
from mri_robust.report.cells import Cell, Table, signed, text
from mri_robust.study.results_folder import ResultsFolder

MEASURED = ("value", "ci_low", "ci_high", "n", "paper", "printed")
"""Columns that do not tell which number a row holds."""
NO_FACTS = ("command", "computed", "reused", "seconds", "warnings", "cuts", "failed", "findings", "evaluations")
"""Parts of `run.json` that differ from run to run, or follow from others."""
_ASIDE = re.compile(r"\..+-[a-z0-9_]{8}\.(csv|html|json|md|png|svg|safetensors)")
"""How `core.files.written_aside` calls a file before it is moved into place."""


@dataclass(frozen=True)
class Stored:
    """A file of a results folder.

    Attributes:
        file: its path in the folder.
        kind: `result`, `model` or `other`.
        state: `ok`, `failed`, `partial` (a training that goes on from here, or a write that was cut short), `damaged`.
        bytes: its size.
        used: whether the last run used it; of a model, whether it was trained on that run's data; None where no run says.
        about: what a result is about.
        numbers: how many it has.
    """

    file: str
    kind: str
    state: str
    bytes: int
    used: bool | None = None
    about: dict[str, Any] | None = None
    numbers: int = 0

    @property
    def reason(self) -> str:
        """Why it can go: it is no result that a run would read; empty for what can stay."""
        return "" if self.state == "ok" else self.state

    @property
    def name(self) -> str:
        """The digest of a result, or the name of a model."""
        return Path(self.file).name.split(".json")[0].split(".safetensors")[0].removesuffix(".failed")


def stored(folder: ResultsFolder) -> list[Stored]:
    """Every result, model and leftover of a folder; tables and reports are no such.

    Raises:
        UserError: it is no results folder.
    """
    run: dict[str, Any] | None = None
    if (folder.path / "run.json").exists():
        run = folder.json("run")
    elif not folder.evaluations.is_dir():
        raise UserError(f"'{folder.path}' holds no results, neither run.json nor evaluations: give the --out of a run")
    used = {each["digest"] for each in run["evaluations"]} if run else None
    data = {each["digest"] for each in run["data"].values()} if run else None
    found = []
    for part in (folder.evaluations, folder.models, folder.path, folder.path / "figures"):
        for path in sorted(path for path in part.glob("*") if path.is_file()) if part.is_dir() else ():
            size, name = path.stat().st_size, str(path.relative_to(folder.path))
            if path.suffix == ".damaged":
                found.append(Stored(name, "other", "damaged", size))
            elif _ASIDE.fullmatch(path.name):
                found.append(Stored(name, "other", "partial", size))
            elif part == folder.evaluations and path.suffix == ".json":
                found.append(_result(path, name, size, used))
            elif part == folder.models and path.suffix == ".safetensors":
                found.append(_model(path, name, size, data))
    return found


def removable(files: list[Stored], *, unused: bool = False) -> list[Stored]:
    """What `results clean` deletes: failures, what is damaged or half done; with `unused` also what no run used last.

    Raises:
        UserError: `unused` is asked for and no run says what it used.
    """
    if unused and all(each.used is None for each in files):
        raise UserError("no run.json says what is used: let a run finish there, or clean without --unused")
    return [each for each in files if each.reason or (unused and each.used is False)]


@contextmanager
def while_nobody_runs(folder: ResultsFolder) -> Iterator[None]:
    """Hold every lock of a results folder, so that no run starts on what is being deleted.

    Raises:
        UserError: a run holds one of them.
    """
    with ExitStack() as held:
        for path in sorted(folder.path.rglob("*.lock")):
            try:
                held.enter_context(FileLock(path).acquire(timeout=0))
            except Timeout as error:
                raise UserError(
                    f"a run is at work in '{folder.path}' (it holds {path.name}): wait for its end"
                ) from error
        yield


def stored_table(files: list[Stored], caption: str) -> Table:
    """One row per file."""
    rows = []
    for each in files:
        about = each.about or {}
        labels = [about.get(name, "") for name in ("experiment", "protocol", "model", "seed")]
        seconds, used = about.get("seconds"), {True: "yes", False: "no", None: ""}[each.used]
        numbers = [
            Cell(f"{seconds:.1f}" if seconds else ""),
            Cell(str(each.numbers or "")),
            Cell(f"{each.bytes / 1000:.1f}"),
        ]
        name = each.name[:8] if each.kind == "result" else each.file
        rows.append((*map(text, (name, *labels, each.state, used)), *numbers))
    heads = ("name", "experiment", "protocol", "model", "seed", "state", "used", "seconds", "numbers", "kB")
    kept = [place for place, _ in enumerate(heads) if any(row[place].text for row in rows)]
    cut = tuple(tuple(row[place] for place in kept) for row in rows)
    return Table(caption, tuple(heads[place] for place in kept), cut, sum(place < 7 for place in kept))


@dataclass(frozen=True)
class Differences:
    """Two runs, compared.

    Attributes:
        numbers: one row per number, with `a`, `b` and `what`: `equal`, `differs`, `only in A` or `only in B`.
        facts: (what, in A, in B) of the runs' facts that differ.
    """

    numbers: pd.DataFrame
    facts: list[tuple[str, str, str]]

    @property
    def same(self) -> bool:
        """Whether both have the same numbers; the facts do not count, which only may explain a difference."""
        return bool((self.numbers["what"] == "equal").all())

    @property
    def largest(self) -> pd.DataFrame:
        """The numbers that differ, the largest difference first."""
        differ = self.numbers[self.numbers["what"] == "differs"]
        return differ.assign(difference=differ["b"] - differ["a"]).sort_values(
            "difference", key=lambda gaps: -gaps.abs(), na_position="first", kind="stable"
        )

    def tables(self, top: int) -> list[Table]:
        """How many differ in each experiment, the `top` that differ most, and the runs' facts."""
        counts = pd.crosstab(self.numbers["experiment"], self.numbers["what"])
        heads = ("equal", "differs", "only in A", "only in B")
        rows = [
            (text(name), *(Cell(str(line.get(head, 0))) for head in heads))
            for name, line in counts.to_dict("index").items()
        ]
        found = [Table("Numbers", ("experiment", *heads), tuple(rows), 1)]
        differ = self.largest.head(top)
        names = [name for name in differ if name not in ("a", "b", "n_a", "n_b", "what", "difference", "metric")]
        names = [*(name for name in names if differ[name].nunique() > 1), "metric"]
        lines = [
            (text(" · ".join(str(row[name]) for name in names if row[name] != "")), *_values(row))
            for row in differ.to_dict("records")
        ]
        found += [Table("Largest differences", ("number", "A", "B", "B − A"), tuple(lines), 1)] if lines else []
        facts = tuple(tuple(map(text, fact)) for fact in self.facts)
        return found + ([Table("Facts that differ", ("", "A", "B"), facts, 3)] if facts else [])


def compare(a: ResultsFolder, b: ResultsFolder, *, tolerance: float = 0.0, ignore: Collection[str] = ()) -> Differences:
    """Compare the last runs of two results folders.

    Numbers are joined on every column but what was measured; they differ when their values do by more than
    `tolerance`, or in how many images they count.

    Args:
        a, b: the folders.
        tolerance: largest difference that counts as none, at least 0.
        ignore: columns that may differ (`scale`, `dataset`).

    Raises:
        UserError: a folder holds no finished run, a table is damaged, or a column to ignore is in no table.
    """
    one, other = (_numbers(folder) for folder in (a, b))
    columns = [name for name in dict.fromkeys([*one, *other]) if name not in MEASURED]
    for name in ignore:
        if name not in columns:
            raise UserError(f"cannot ignore '{name}'{did_you_mean(name, columns)}")
    keys = [name for name in columns if name not in ignore]
    sides = []
    for side in (one, other):
        rows = side.reindex(columns=[*keys, "value", "n"]).astype({name: object for name in keys})
        rows[keys] = rows[keys].where(rows[keys].notna(), "")
        sides.append(rows.assign(place=rows.groupby(keys, sort=False).cumcount()))
    both = sides[0].merge(
        sides[1], on=[*keys, "place"], how="outer", suffixes=("_a", "_b"), indicator="side", sort=False
    )
    both = both.rename(columns={"value_a": "a", "value_b": "b"})
    near = ((both["a"] - both["b"]).abs() <= tolerance) | (both["a"].isna() & both["b"].isna())
    near &= both["n_a"].fillna(-1) == both["n_b"].fillna(-1)
    names = both["side"].astype(str).map({"left_only": "only in A", "right_only": "only in B", "both": "differs"})
    both["what"] = names.where((both["side"] != "both") | ~near, "equal")
    facts = [
        _flat({key: value for key, value in folder.json("run").items() if key not in NO_FACTS}) for folder in (a, b)
    ]
    listed = [(name, *(str(side.get(name, "–")) for side in facts)) for name in dict.fromkeys([*facts[0], *facts[1]])]
    return Differences(both.drop(columns=["side", "place"]), [fact for fact in listed if fact[1] != fact[2]])


def plain_differences(found: Differences) -> dict[str, Any]:
    """All of it for machines."""
    numbers = found.numbers[found.numbers["what"] != "equal"]
    rows = json.loads(numbers.to_json(orient="records"))
    return {"same": found.same, "equal": len(found.numbers) - len(numbers), "numbers": rows, "facts": found.facts}


def plain_listing(files: list[Stored]) -> list[dict[str, Any]]:
    """One object per file, for machines."""
    return [{"name": each.name, **asdict(each)} for each in files]


def _result(path: Path, name: str, size: int, used: set[str] | None) -> Stored:
    try:
        if path.name.endswith(".failed.json"):
            return Stored(name, "result", "failed", size, about=json.loads(path.read_text())["about"])
        content = ResultsFolder.sealed(path)
    except (ValueError, KeyError, TypeError, RecursionError):
        return Stored(name, "result", "damaged", size)
    known = None if used is None else path.stem in used
    return Stored(name, "result", "ok", size, known, content["about"], len(content["result"].get("rows", ())))


def _model(path: Path, name: str, size: int, data: set[str] | None) -> Stored:
    try:
        with safe_open(path, framework="np") as file:
            notes = json.loads((file.metadata() or {}).get("mri_robust", "{}"))
    except (SafetensorError, OSError, ValueError):
        return Stored(name, "model", "damaged", size)
    if path.name.endswith(".partial.safetensors"):
        return Stored(name, "model", "partial", size)
    return Stored(name, "model", "ok", size, None if data is None else notes.get("data_digest") in data)


def _numbers(folder: ResultsFolder) -> pd.DataFrame:
    return pd.concat([folder.table(each["name"]) for each in folder.json("run")["experiments"]], ignore_index=True)


def _values(row: dict[Any, Any]) -> list[Cell]:
    return [Cell(f"{row['a']:.6g}"), Cell(f"{row['b']:.6g}"), Cell(signed(row["difference"]))]


def _flat(facts: Any, name: str = "") -> dict[str, Any]:
    if isinstance(facts, dict):
        parts = [_flat(value, f"{name} {key}".strip()) for key, value in facts.items()]
        return {key: value for part in parts for key, value in part.items()}
    if isinstance(facts, list) and any(isinstance(each, dict) for each in facts):
        return {name: ", ".join(str(each.get("name", each)) for each in facts)}
    return {name: facts}
