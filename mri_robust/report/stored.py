"""What a results folder stores: cells, models, what an interrupted run left behind, and what its last run used."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from mri_robust.core.errors import UserError
from mri_robust.core.hashing import digest
from mri_robust.data.layout import shown
from mri_robust.report.any_content import Content, as_mapping, files_in, is_file, read_object
from mri_robust.report.stored_files import StoredCell, StoredModel, read_cell, read_model

Read = TypeVar("Read", StoredCell, StoredModel)

_ASIDE = re.compile(r"\.(?P<target>.+)-[a-z0-9_]{8}(?P<suffix>\.(?:csv|html|json|md|png|safetensors))")
"""How `core.files.written_aside` calls a file before it is moved into place."""
_OFFERED = 6

Entry = StoredCell | StoredModel


@dataclass(frozen=True)
class Stored:
    """A results folder, looked through.

    Attributes:
        folder: where it lies.
        run: the last run's `run.json`; None where there is none that is whole.
        run_state: `whole`, `absent` or `damaged`, of that file.
        cells: files of cells and failures, by experiment and protocol, in the order of the last run.
        models: files of models, sorted by name.
        aside: other files that a run set aside as damaged.
        leftovers: temporary files of writes that were interrupted.
        used: digests of the cells and names of the models that the last run used; None where no run says.
    """

    folder: Path
    run: Content | None
    run_state: str
    cells: tuple[StoredCell, ...]
    models: tuple[StoredModel, ...]
    aside: tuple[Path, ...]
    leftovers: tuple[Path, ...]
    used: frozenset[str] | None

    @property
    def entries(self) -> list[Entry]:
        """The files of cells, then those of models."""
        return [*self.cells, *self.models]

    def uses(self, entry: Entry) -> bool | None:
        """Whether the last run used a result or model; None where no run says, and for what is neither."""
        name = entry.digest if isinstance(entry, StoredCell) else entry.name
        return name in self.used if self.used is not None and entry.state in ("ok", "whole") else None

    @property
    def missing(self) -> list[str]:
        """Digests of cells that the last run used and that are not stored any more."""
        whole = {cell.digest for cell in self.cells if cell.state == "ok"}
        return [name for name in _cells_of(self.run) if name not in whole]

    def experiments_of(self, cell: StoredCell) -> list[str]:
        """The experiments of the last run whose tables take numbers from a cell."""
        listed = as_mapping((self.run or {}).get("cells"))
        return [name for name, digests in listed.items() if isinstance(digests, list) and cell.digest in digests]


def open_stored(folder: Path) -> Stored:
    """Look through a results folder; files that are no part of one are passed over.

    Raises:
        UserError: it is no results folder.
    """
    if not is_file(folder / "run.json") and not files_in(folder / "cells"):
        raise UserError(
            f"'{shown(folder)}' holds no results, neither run.json nor cells: give the --out folder of a bench"
        )
    run = read_object(folder / "run.json")
    state = "whole" if run is not None else "damaged" if is_file(folder / "run.json") else "absent"
    cells, models = _read(folder / "cells", read_cell), _read(folder / "models", read_model)
    known = {cell.path for cell in cells} | {model.path for model in models}
    others = [
        path for part in ("", "cells", "models", "figures") for path in files_in(folder / part) if path not in known
    ]
    return Stored(
        folder,
        run,
        state,
        cells=tuple(_in_order(cells, run)),
        models=tuple(models),
        aside=tuple(path for path in others if path.suffix == ".damaged"),
        leftovers=tuple(path for path in others if _is_aside(path.name)),
        used=frozenset(_used(run, read_object(folder / "crosscheck.json"), cells, models)) if run is not None else None,
    )


def shortest_digests(cells: tuple[StoredCell, ...], least: int = 8) -> dict[str, str]:
    """Digest -> its first digits, as few of them (but `least`) as tell all of these cells apart."""
    whole = {cell.digest for cell in cells}
    length = next((n for n in range(least, 16) if len({name[:n] for name in whole}) == len(whole)), 16)
    return {name: name[:length] for name in whole}


def find(stored: Stored, prefix: str) -> list[Entry]:
    """The files of the one cell or model whose digest, or name, begins with `prefix`.

    Raises:
        UserError: there is none, or several; these are offered.
    """
    found: dict[str, list[Entry]] = {}
    for entry in stored.entries:
        name = entry.digest if isinstance(entry, StoredCell) else entry.name
        if name.startswith(prefix) or entry.digest.startswith(prefix):
            found.setdefault(name, []).append(entry)
    if len(found) > 1:
        more = f" and {len(found) - _OFFERED} more" if len(found) > _OFFERED else ""
        raise UserError(f"'{shown(prefix)}' begins several: {', '.join(list(found)[:_OFFERED])}{more}; give more of it")
    if not found:
        raise UserError(
            f"nothing in '{shown(stored.folder)}' has a digest or name that begins with '{shown(prefix)}': "
            "mri-robust results list shows what there is"
        )
    return next(iter(found.values()))


def nested_recipes(recipe: Content) -> Iterator[Content]:
    """The recipes of the models that one starts from or is made of, to any depth."""
    waiting = [recipe]
    while waiting:
        each = waiting.pop()
        members = each.get("members")
        parts = [each.get("start"), *(members if isinstance(members, list) else [])]
        found = [part for part in parts if isinstance(part, dict)]
        yield from found
        waiting += found


def model_key(recipe: Content, notes: Content) -> str:
    """Equal for equal recipes on the data and the machine of a model's notes; empty where it has no JSON form."""
    try:
        return digest((recipe, notes.get("data_digest"), notes.get("environment")))
    except (ValueError, TypeError, RecursionError):
        return ""


def _used(run: Content, certificate: Content | None, cells: list[StoredCell], models: list[StoredModel]) -> set[str]:
    """Digests of cells and names of models: those measured or cross-checked, and what these were made from.

    Which detectors a cell took beside its model it does not say, so all detectors of the run's data count as used, and
    all models of it where a cell is gone.
    """
    used = set(_cells_of(run))
    present = [cell for cell in cells if cell.digest in used and cell.state == "ok"]
    gone = used - {cell.digest for cell in present}
    names = {str(cell.about.get("model_file")) for cell in present}
    names.add(str(as_mapping((certificate or {}).get("about")).get("model")))
    data = [as_mapping(facts).get("digest") for facts in as_mapping(run.get("data")).values()]
    ours = [model for model in models if model.notes.get("data_digest") in data]
    names |= {model.name for model in ours if gone or model.recipe.get("snooping")}
    keys = {
        model_key(part, model.notes) for model in models if model.name in names for part in nested_recipes(model.recipe)
    }
    names |= {model.name for model in models if model.recipe and model_key(model.recipe, model.notes) in keys - {""}}
    return used | names


def _cells_of(run: Content | None) -> list[str]:
    """Digests of the cells of a run, each once, in its order."""
    lists = as_mapping((run or {}).get("cells")).values()
    return list(dict.fromkeys(str(name) for names in lists if isinstance(names, list) for name in names))


def _read(folder: Path, read: Callable[[Path], Read | None]) -> list[Read]:
    return [entry for path in files_in(folder) if (entry := read(path)) is not None]


def _in_order(cells: list[StoredCell], run: Content | None) -> list[StoredCell]:
    """By experiment, protocol and place in the last run; what it does not name comes after what it does."""
    named = [(run or {}).get(key) for key in ("experiments", "protocols")]
    orders = [*(names if isinstance(names, list) else [] for names in named), _cells_of(run)]

    def place(cell: StoredCell) -> list[tuple[int, str]]:
        keys = [str(cell.about.get(word, "~")) for word in ("experiment", "protocol")] + [cell.digest]
        return [
            (order.index(key) if key in order else len(order), key) for order, key in zip(orders, keys, strict=True)
        ]

    return sorted(cells, key=place)


def _is_aside(name: str) -> bool:
    found = _ASIDE.fullmatch(name)
    return bool(found) and found["target"].endswith(found["suffix"])  # type: ignore[index]
