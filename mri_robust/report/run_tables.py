"""The tidy tables and the facts of a results folder's last run, as text."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mri_robust.core.errors import UserError
from mri_robust.data.layout import shown
from mri_robust.report.any_content import files_in, is_file, read_object
from mri_robust.report.tidy_rows import Row, read_rows

_NO_FACTS = ("cells", "words", "command", "computed", "reused", "seconds", "warnings", "cuts")
"""Parts of `run.json` that differ from run to run, or follow from others."""


@dataclass(frozen=True)
class RunTables:
    """What two runs are compared by.

    Attributes:
        folder: where the run lies.
        facts: what its `run.json` says, flat: `machine threads` -> [`2`]; a list keeps its items.
        tables: experiment -> rows of its tidy table.
        damaged: experiment or `run.json` -> a sentence that says why it cannot be compared.
    """

    folder: Path
    facts: dict[str, list[str]]
    tables: dict[str, list[Row]]
    damaged: dict[str, str]


def open_run(folder: Path) -> RunTables:
    """Read a folder's last run; every tidy table in it where no run says which these are.

    Raises:
        UserError: the folder holds no results.
    """
    file = folder / "run.json"
    run = read_object(file)
    listed = run.get("experiments") if run else None
    named = list(dict.fromkeys(map(str, listed))) if isinstance(listed, list) else None
    tables: dict[str, list[Row]] = {}
    damaged = {"run.json": f"{file} is damaged"} if run is None and is_file(file) else {}
    # a name with a slash in it would lead out of the folder
    known = None if named is None else [folder / f"{name.replace('/', '-')}.csv" for name in named]
    for path in [path for path in files_in(folder) if path.suffix == ".csv"] if known is None else known:
        try:
            tables[path.stem] = read_rows(path)
        except ValueError as error:
            # without a run's word for it, a file of another kind is nobody's table
            if known is not None or str(error) != "is no tidy table":
                damaged[path.stem] = f"{path} {error}"
    if run is None and not tables and not damaged:
        raise UserError(f"'{shown(folder)}' holds no results to compare: give the --out folder of a bench")
    return RunTables(folder, _flat(run or {}), tables, damaged)


def _flat(facts: Any, name: str = "") -> dict[str, list[str]]:
    if isinstance(facts, dict):
        parts = [_flat(value, f"{name} {key}".strip()) for key, value in facts.items() if name or key not in _NO_FACTS]
        return {key: value for part in parts for key, value in part.items()}
    return {name: [str(each) for each in facts] if isinstance(facts, list) else [str(facts)]}
