"""A results folder as plain data, for machines."""

from __future__ import annotations

from typing import Any

from mri_robust.report.cleaning import Removable, removable
from mri_robust.report.stored import Stored
from mri_robust.report.stored_files import StoredCell, StoredModel


def listing(stored: Stored) -> dict[str, Any]:
    """What `results list` shows: cells, models, cells of the last run that are gone, and what could be cleaned."""
    return {
        "folder": str(stored.folder),
        "run": stored.run_state,
        "cells": [_cell_facts(stored, cell) for cell in stored.cells],
        "models": [_model_facts(stored, model) for model in stored.models],
        "missing": stored.missing,
        "removable": [_removable_facts(stored, each) for each in removable(stored)],
    }


def _removable_facts(stored: Stored, each: Removable) -> dict[str, Any]:
    return {"file": str(each.path.relative_to(stored.folder)), "reason": each.reason, "bytes": each.bytes}


def _cell_facts(stored: Stored, cell: StoredCell) -> dict[str, Any]:
    words = {word: cell.about.get(word) for word in ("experiment", "protocol", "model", "seed", "label")}
    counted = {"seconds": cell.seconds, "numbers": cell.numbers, "bytes": cell.bytes, "used": stored.uses(cell)}
    return {
        "digest": cell.digest,
        **words,
        "state": cell.state,
        **counted,
        **({"error": cell.error} if cell.error else {}),
    }


def _model_facts(stored: Stored, model: StoredModel) -> dict[str, Any]:
    counted = {"epochs": model.epochs, "seconds": model.seconds, "bytes": model.bytes}
    return {"name": model.name, "state": model.state, **counted, "used": stored.uses(model)}
