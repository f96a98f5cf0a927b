"""What a bench left in its folder."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from mri_robust.core.errors import UserError
from mri_robust.study.experiment import Experiment, load_experiment


@dataclass(frozen=True)
class Results:
    """A results folder, opened.

    Attributes:
        folder: where it lies.
        run: `run.json`.
        certificate: `crosscheck.json`.
        tables: experiment -> its tidy table.
    """

    folder: Path
    run: dict[str, Any]
    certificate: dict[str, Any]
    tables: dict[str, pd.DataFrame]

    @property
    def experiments(self) -> list[Experiment]:
        """The experiments that were run, in order."""
        return [load_experiment(name) for name in self.tables]

    def protocols(self, name: str) -> list[str]:
        """Protocols under which an experiment was run."""
        return list(dict.fromkeys(self.tables[name]["protocol"]))

    def cells(self, name: str) -> list[dict[str, Any]]:
        """Stored cells of an experiment: `about` and `result`."""
        stored = [self.folder / "cells" / f"{digest}.json" for digest in self.run["cells"].get(name, [])]
        return [json.loads(path.read_text(encoding="utf-8")) for path in stored if path.exists()]


def open_results(folder: Path) -> Results:
    """Read a results folder.

    Raises:
        UserError: it holds no finished run.
    """
    try:
        run = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        certificate = json.loads((folder / "crosscheck.json").read_text(encoding="utf-8"))
        tables = {
            name: pd.read_csv(folder / f"{name}.csv", keep_default_na=False, na_values={"alpha": "", "paper": ""})
            for name in run["experiments"]
        }
    except (OSError, ValueError, KeyError) as error:
        raise UserError(
            f"'{folder}' holds no finished bench run ({error}): run mri-robust bench --out {folder}"
        ) from error
    return Results(folder, run, certificate, tables)
