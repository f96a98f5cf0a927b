"""What a bench left in its folder."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from mri_robust.core.errors import UserError
from mri_robust.study.experiment import Experiment, load_experiment

TEXT = ("experiment", "protocol", "dataset", "model", "weights", "attack", "steps", "condition", "subset", "class")
NUMBERS = ("epsilon", "alpha", "value", "ci_low", "ci_high", "n", "paper")
"""Columns of a tidy table whose empty fields are missing numbers; an empty text is a text."""


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
        found = []
        for digest, own in zip(digests, words, strict=True):
            path = self.folder / "cells" / f"{digest}.json"
            if path.exists():
                stored = json.loads(path.read_text(encoding="utf-8"))
                found.append({**stored, "about": {**stored["about"], **own}})
        return found


def open_results(folder: Path) -> Results:
    """Read a results folder.

    Raises:
        UserError: it holds no finished run.
    """
    try:
        run = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        certificate = json.loads((folder / "crosscheck.json").read_text(encoding="utf-8"))
        experiments = [load_experiment(name) for name in run["experiments"]]
        tables = {each.name: _read_table(folder / f"{each.name}.csv") for each in experiments}
    except (OSError, ValueError, KeyError) as error:
        raise UserError(
            f"'{folder}' holds no finished bench run ({error}): run mri-robust bench --out {folder}"
        ) from error
    return Results(folder, run, certificate, tables, experiments)


def _read_table(path: Path) -> pd.DataFrame:
    table = pd.read_csv(
        path, keep_default_na=False, na_values=dict.fromkeys(NUMBERS, ""), dtype=dict.fromkeys(TEXT, "str")
    )
    return table.astype(dict.fromkeys(NUMBERS, "float64"))
