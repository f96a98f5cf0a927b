"""The folder of a run: the one place that knows where results lie and how they are written and read.

evaluations/<digest>.json     rows and pictures of one evaluation of one model, named by all that decides them
models/<model>-<digest>.safetensors
<experiment>.csv              one number a line, see `evaluation.rows`
comparisons.csv, images.csv   models compared image by image; each image's minimal epsilon
run.json, crosscheck.json     what was run, where and how; the certificate
report.html, report.md, figures/
model-card.md                 of an audited model; of several `model-card-<model>.md`
"""

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pandas as pd

from mri_robust.core.errors import UserError
from mri_robust.core.files import locked, set_aside, write_text
from mri_robust.core.hashing import canonical_json, digest

Result = dict[str, Any]
"""`rows`, a list of `evaluation.rows.Row`, and `artefacts`, name -> plain data of pictures and curves."""

TEXT = (
    *("experiment", "protocol", "dataset", "scale", "model", "weights", "attack", "engine"),
    *("subset", "class", "metric", "printed", "threshold"),
)
"""Columns that hold text, also where they are empty or all their texts look like numbers."""
RATES = ("value", "ci_low", "ci_high", "paper")
WHOLE = ("seed", "steps", "n")
"""Columns of whole numbers, some of them missing."""


class ResultsFolder:
    """One run's folder.

    Attributes:
        path: the folder; it is made when something is written.
        evaluations, models: where stored evaluations and trained models lie.
        notices: what was found damaged and set aside, in words.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.evaluations, self.models = path, path / "evaluations", path / "models"
        self.notices: list[str] = []

    def hold(self, name: str, on_wait: Callable[[], None] | None = None) -> AbstractContextManager[None]:
        """Be the only process that makes the evaluation or model called `name`; waits for another that does."""
        return locked(self.path / ".locks" / name, on_wait)

    def get(self, name: str) -> Result | None:
        """A stored result; None where there is none, or its file is damaged, which is set aside."""
        path = self.evaluations / f"{name}.json"
        try:
            return self.sealed(path)["result"]
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError, RecursionError):
            aside = set_aside(path)
            self.notices.append(f"'{path}' was damaged: it is measured again, the old file is kept as '{aside.name}'")
            return None

    def put(self, name: str, result: Result, about: dict[str, Any]) -> Result:
        """Keep a result, with what it is about for human readers; returns it as a later run reads it."""
        content = {"about": about, "checksum": digest([about, result]), "result": result}
        text = canonical_json(content)
        write_text(self.evaluations / f"{name}.json", text + "\n")
        (self.evaluations / f"{name}.failed.json").unlink(missing_ok=True)
        stored: Result = json.loads(text)["result"]
        return stored

    def put_failure(self, name: str, error: str, traceback: str, about: dict[str, Any]) -> None:
        """Keep why an evaluation has no result; it is no result, and is tried again."""
        content = {"about": about, "error": error, "traceback": traceback}
        write_text(self.evaluations / f"{name}.failed.json", canonical_json(content) + "\n")

    def drop(self, name: str) -> None:
        """Take a result away."""
        (self.evaluations / f"{name}.json").unlink(missing_ok=True)

    def write_table(self, name: str, table: pd.DataFrame) -> None:
        """Write a table as CSV, numbers in their shortest exact form."""
        write_text(self.path / f"{name}.csv", table.to_csv(index=False, lineterminator="\n"))

    def write_json(self, name: str, content: Any) -> None:
        """Write plain data as `<name>.json`."""
        write_text(self.path / f"{name}.json", canonical_json(content, indent=2) + "\n")

    def table(self, name: str) -> pd.DataFrame:
        """A table as it was written: text columns hold "" where they are empty, numbers NaN; UserError for none."""
        path = self.path / f"{name}.csv"
        try:
            kinds = dict.fromkeys(TEXT, "str") | dict.fromkeys(RATES, "float64")
            table = pd.read_csv(path, dtype=kinds, keep_default_na=False, na_values=[""])
        except (OSError, ValueError) as error:
            raise UserError(f"'{path}' cannot be read ({error}): run the same command again, it writes it") from error
        texts = [name for name in table.columns if name in TEXT or not pd.api.types.is_numeric_dtype(table[name])]
        table[texts] = table[texts].fillna("")
        return table.astype({name: "Int64" for name in WHOLE if name in table.columns})

    def json(self, name: str) -> dict[str, Any]:
        """What `<name>.json` holds; UserError where it is absent or damaged."""
        path = self.path / f"{name}.json"
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            if isinstance(content, dict):
                return content
            problem = "it is no object"
        except (OSError, ValueError, RecursionError) as error:
            problem = str(error)
        raise UserError(f"'{self.path}' holds no finished run ({name}.json: {problem}): run mri-robust bench or audit")

    def artefacts(self, kind: str, **labels: Any) -> Iterator[tuple[dict[str, Any], Any]]:
        """(labels, data) of every stored artefact of a kind, in table order.

        `labels` are what those of its evaluation must be (`experiment=`, `protocol=`, `seed=`, `model=`).
        """
        for each in self.json("run")["evaluations"]:
            if all(each.get(name) == value for name, value in labels.items()):
                result = self.get(each["digest"])
                if result is not None and kind in result["artefacts"]:
                    yield each, result["artefacts"][kind]

    @staticmethod
    def sealed(path: Path) -> dict[str, Any]:
        """A stored evaluation's file; FileNotFoundError without one, ValueError, KeyError or TypeError if damaged."""
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if content["checksum"] != digest([content["about"], content["result"]]):
            raise ValueError("its checksum is another")
        return content
