"""What differs between two runs: number by number, and in the facts of the runs."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from mri_robust.core.errors import UserError
from mri_robust.core.registry import did_you_mean
from mri_robust.report.run_tables import RunTables, open_run
from mri_robust.report.tidy_rows import MEASURED, Row, number_of

_NUMERIC = ("epsilon", "alpha", "steps", "seed")

Place = tuple[tuple[str, ...], int]
"""The columns that tell a number, and how many equal ones stand above it."""


@dataclass(frozen=True)
class Difference:
    """A number that is not the same in both runs.

    Attributes:
        words: the columns that tell it.
        a, b: its values; None where the table has none.
        n_a, n_b: how many images it counts, as the tables have it.
    """

    words: Row
    a: float | None
    b: float | None
    n_a: str
    n_b: str

    @property
    def difference(self) -> float | None:
        """`b` less `a`."""
        return None if self.a is None or self.b is None else self.b - self.a

    @property
    def size(self) -> float:
        """How far apart the two are; infinite where one has no value."""
        return math.inf if self.difference is None else abs(self.difference)


@dataclass(frozen=True)
class Joined:
    """One experiment's numbers in both runs: how many are equal, those that differ, and those that only one has."""

    experiment: str
    equal: int
    differ: tuple[Difference, ...]
    only_a: tuple[Row, ...]
    only_b: tuple[Row, ...]


@dataclass(frozen=True)
class Differences:
    """Two runs, compared.

    Attributes:
        experiments: one entry an experiment, in the order of A's run and then of B's.
        facts: (what, in A, in B) of the runs' facts that differ.
        damaged: what could not be compared, a sentence each.
    """

    experiments: tuple[Joined, ...]
    facts: tuple[tuple[str, str, str], ...]
    damaged: tuple[str, ...]

    @property
    def largest(self) -> list[Difference]:
        """All numbers that differ, the largest difference first."""
        found = [each for joined in self.experiments for each in joined.differ]
        return sorted(found, key=lambda each: -each.size)

    @property
    def same(self) -> bool:
        """Whether both runs have the same numbers; the facts do not count, which only may explain a difference."""
        return not self.damaged and not any(each.differ or each.only_a or each.only_b for each in self.experiments)


def compare(a: Path, b: Path, *, tolerance: float = 0.0, ignore: Collection[str] = ()) -> Differences:
    """Compare two results folders.

    Numbers are joined on every column of the tidy tables but value, interval, n and the study's number; equal ones
    that stand repeatedly, in their order. They differ when their values do by more than `tolerance`, or their n.

    Args:
        a, b: the folders.
        tolerance: largest difference that counts as none.
        ignore: columns that may differ (`scale`, `dataset`).

    Raises:
        UserError: a folder holds no results, or a column to ignore is in no table.
        ValueError: the tolerance is no number of at least 0.
    """
    if not 0 <= tolerance < math.inf:
        raise ValueError(f"tolerance must be a number of at least 0, got {tolerance!r}")
    runs = open_run(a), open_run(b)
    columns = _columns(runs, ignore)
    broken = set(runs[0].damaged) | set(runs[1].damaged)
    names = [name for run in runs for name in run.tables if name not in broken]
    return Differences(
        experiments=tuple(_join(name, runs, columns, tolerance) for name in dict.fromkeys(names)),
        facts=tuple(_facts_that_differ(*runs)),
        damaged=tuple(sentence for run in runs for sentence in run.damaged.values()),
    )


def _columns(runs: tuple[RunTables, RunTables], ignore: Collection[str]) -> list[str]:
    heads = [table[0] for run in runs for table in run.tables.values() if table]
    columns = [name for name in dict.fromkeys(name for head in heads for name in head) if name not in MEASURED]
    for name in ignore:
        if heads and name not in columns:
            raise UserError(f"cannot ignore '{name}'{did_you_mean(name, columns)}")
    return [name for name in columns if name not in ignore]


def _join(name: str, runs: tuple[RunTables, RunTables], columns: list[str], tolerance: float) -> Joined:
    left, right = (_by_place(run.tables.get(name, []), columns) for run in runs)
    pairs = [(left[place], right[place]) for place in left if place in right]
    differ = [found for one, other in pairs if (found := _difference(one, other, columns, tolerance))]
    return Joined(
        name,
        equal=len(pairs) - len(differ),
        differ=tuple(differ),
        only_a=tuple(_words(row, columns) for place, row in left.items() if place not in right),
        only_b=tuple(_words(row, columns) for place, row in right.items() if place not in left),
    )


def _by_place(rows: list[Row], columns: list[str]) -> dict[Place, Row]:
    seen: Counter[tuple[str, ...]] = Counter()
    found = {}
    for row in rows:
        key = tuple(_canonical(column, row.get(column, "")) for column in columns)
        found[key, seen[key]] = row
        seen[key] += 1
    return found


def _canonical(column: str, text: str) -> str:
    """One text for every way to write a number."""
    try:
        return repr(float(text)) if column in _NUMERIC and text else text
    except ValueError:
        return text


def _difference(one: Row, other: Row, columns: list[str], tolerance: float) -> Difference | None:
    a, b = number_of(one, "value"), number_of(other, "value")
    near = a == b or (a is not None and b is not None and abs(a - b) <= tolerance)
    same_n = _canonical("seed", one["n"]) == _canonical("seed", other["n"])
    return None if near and same_n else Difference(_words(one, columns), a, b, one["n"], other["n"])


def _words(row: Row, columns: list[str]) -> Row:
    return {column: row.get(column, "") for column in columns}


def _facts_that_differ(a: RunTables, b: RunTables) -> list[tuple[str, str, str]]:
    """Of lists, what only one of them has, unless they have the same in another order."""
    one, other = a.facts, b.facts
    found = []
    for name in dict.fromkeys([*one, *other]):
        left, right = one.get(name, []), other.get(name, [])
        if left != right:
            own = [each for each in left if each not in right], [each for each in right if each not in left]
            shown = own if any(own) else (left, right)
            found.append((name, ", ".join(shown[0]), ", ".join(shown[1])))
    return found
