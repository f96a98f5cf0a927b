"""What a bench left in its folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from mri_robust.core.errors import UserError
from mri_robust.core.hashing import digest as digest_of
from mri_robust.core.json_text import parse_json
from mri_robust.report.run_shapes import NUMBERS, TEXT, check_cell, check_run, check_table
from mri_robust.study.experiment import Experiment, load_experiment


@dataclass(frozen=True)
class View:
    """One experiment under one protocol, as its figures see it.

    Attributes:
        experiment: which.
        protocol: `sound` or `paper`.
        table: its rows of the tidy table, all seeds.
        cells: its stored cells of the first seed, in table order: `about` and `result`.
    """

    experiment: Experiment
    protocol: str
    table: pd.DataFrame
    cells: list[dict[str, Any]]


@dataclass(frozen=True)
class Results:
    """A results folder, opened.

    Attributes:
        folder: where it lies.
        run: `run.json`.
        certificate: `crosscheck.json`.
        tables: experiment -> its tidy table.
        experiments: the experiments that were run, in order.
    """

    folder: Path
    run: dict[str, Any]
    certificate: dict[str, Any]
    tables: dict[str, pd.DataFrame]
    experiments: list[Experiment]

    def protocols(self, name: str) -> list[str]:
        """Protocols under which an experiment was run."""
        return list(dict.fromkeys(self.tables[name]["protocol"]))

    def views(self, experiment: Experiment) -> list[View]:
        """One view a protocol."""
        table = self.tables[experiment.name]
        stored = [cell for cell in self.cells(experiment.name) if cell["about"]["seed"] == self.run["seeds"][0]]
        return [
            View(
                experiment,
                protocol,
                table[table["protocol"] == protocol],
                [cell for cell in stored if cell["about"]["protocol"] == protocol],
            )
            for protocol in self.protocols(experiment.name)
        ]

    def cells(self, name: str) -> list[dict[str, Any]]:
        """Stored cells of an experiment: `about` and `result`.

        A cell that several experiments share is stored under the words of the first; `words` in `run.json`, where it
        is given, holds each experiment's own.
        """
        digests = self.run["cells"].get(name, [])
        words = self.run.get("words", {}).get(name) or [{}] * len(digests)
        paths = [self.folder / "cells" / f"{digest}.json" for digest in digests]
        return [_read_cell(path, own) for path, own in zip(paths, words, strict=True) if path.exists()]


def open_results(folder: Path) -> Results:
    """Read a results folder.

    Raises:
        UserError: it holds no finished run.
    """
    try:
        run, certificate = (_read_json(folder / name) for name in ("run.json", "crosscheck.json"))
        check_run(run, certificate)
        experiments = [load_experiment(name) for name in run["experiments"]]
        tables = {each.name: _read_table(folder / f"{each.name}.csv") for each in experiments}
        for name, words in run.get("words", {}).items():
            if words and len(words) != len(run["cells"].get(name, [])):
                raise ValueError(f"run.json has words for other cells than those of '{name}'")
    except (OSError, ValueError, KeyError) as error:
        raise UserError(
            f"'{folder}' holds no finished bench run ({error}): run mri-robust bench --out {folder}"
        ) from error
    return Results(folder, run, certificate, tables, experiments)


def _read_json(path: Path) -> Any:
    _check_file(path)
    return parse_json(path.read_bytes())


def _read_table(path: Path) -> pd.DataFrame:
    _check_file(path)
    table = pd.read_csv(
        path, keep_default_na=False, na_values=dict.fromkeys(NUMBERS, ""), dtype=dict.fromkeys(TEXT, "str")
    )
    table = table.astype({name: "float64" for name in NUMBERS if name in table})
    check_table(table)
    return table


def _read_cell(path: Path, own: dict[str, Any]) -> dict[str, Any]:
    """A stored cell under an experiment's own words.

    Raises:
        UserError: it is damaged.
    """
    try:
        stored = _read_json(path)
        cell: dict[str, Any] = {**stored, "about": {**stored["about"], **own}}
        check_cell(cell)
        sealed = digest_of([stored["about"], stored["result"]])
        if stored.get("checksum", sealed) not in (sealed, digest_of(stored["result"])):
            raise ValueError("its checksum is another")
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise UserError(
            f"cell '{path}' is damaged ({error}): run mri-robust bench again, which measures it anew"
        ) from error
    return cell


def _check_file(path: Path) -> None:
    if path.exists() and not path.is_file():
        raise ValueError(f"'{path.name}' is there and no file")
