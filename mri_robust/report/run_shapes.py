"""What the files of a finished run look like, as far as the report relies on it: they may be damaged, or anybody's."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from mri_robust.core.json_text import check_shape
from mri_robust.study.protocol import PROTOCOLS

TEXT = (
    *("experiment", "protocol", "dataset", "scale", "model", "weights", "attack", "engine"),
    *("steps", "condition", "subset", "class", "metric"),
)
NUMBERS = ("epsilon", "alpha", "value", "ci_low", "ci_high", "n", "paper")
"""Columns of a tidy table whose empty fields are missing numbers; an empty text is a text."""

RUN = {
    "command": str,
    "versions": {str: str},
    "machine": {"device_name": str, "threads": int, "precision": str},
    "data": {str: {"name": str, "digest": str, "train": int, "test": int}},
    "experiments": [str],
    "protocols": [str],
    "scale": str,
    "cuts": [str],
    "engine": str,
    "weights": str,
    "seeds": [int],
    "cells": {str: [str]},
    "warnings": [str],
    "computed": int,
    "reused": int,
    "seconds": float,
}
"""Of `run.json`."""
WORDS = {"words": {str: [dict]}}
"""Of `run.json` where it gives each experiment's own words for shared cells."""
CERTIFICATE = {
    "verdict": str,
    "images": int,
    "comparisons": [
        {
            "attack": str,
            "engine": str,
            "other": str,
            "bit_identical": float,
            "max_difference": (float, None),
            "equal_predictions": float,
            "success_differs": int,
            "bound": float,
        }
    ],
}
"""Of `crosscheck.json`."""
CELL = {"about": {"protocol": str, "seed": int, "model": str}, "result": dict}
"""Of a stored cell, with the words of the experiment that shows it."""

_PICTURE = {"epsilon": float, "predicted": str, "probability": float, "change": float, "image": str}
_FIGURES: dict[str, Any] = {
    "confusion": [{"name": str, "classes": [str], "counts": [[int]]}],
    "curves": [{"name": str, "training": [float], "test": [float]}],
    "pruning": [{"counts": [int], "chosen": int, "accuracy": [float], "asr": [float]}],
    "roc": [{"name": str, "auc": float, "fpr": [float], "tpr": [float]}],
    "samples": [{"image": str, "caption": str}],
    "trigger": {"pattern": str, "clean": str, "stamped": str, "class": str},
    "images": [{"label": str, "name": str, "pictures": [_PICTURE]}],
    "pictures": [_PICTURE],
    "artefact_sheet": {"clean": str, "class": str, "rows": [{"artefact": str, "pictures": [str]}]},
    "reconstructions": [{"name": str, "pictures": [{"class": str, "second_confidence": float, "image": str}]}],
    "findings": [{"check": str, "tripped": bool, "figure": float, "message": str}],
}
"""Of the parts of a result that figures are drawn from; a result has any of them or none. `pictures` is a gallery from
before galleries held several images."""
_WIDEST = 4096


def check_run(run: Any, certificate: Any) -> None:
    """Check `run.json` and `crosscheck.json`.

    Raises:
        ValueError: they are no run's.
    """
    check_shape(run, RUN, "run.json")
    check_shape(run, WORDS if "words" in run else {}, "run.json")
    check_shape(certificate, CERTIFICATE, "crosscheck.json")
    if not run["data"] or not run["seeds"]:
        raise ValueError("run.json names no data or no seeds")
    for digest in (digest for digests in run["cells"].values() for digest in digests):
        if not (digest.replace("-", "").isalnum() and len(digest) < 100):
            raise ValueError(f"run.json names a cell '{digest}'")


def check_table(table: pd.DataFrame) -> None:
    """Check a tidy table; its protocols become names of files.

    Raises:
        ValueError: a column is missing, or holds what no bench writes.
    """
    if missing := [name for name in (*TEXT, *NUMBERS) if name not in table]:
        raise ValueError(f"it has no column '{missing[0]}'")
    if table[list(TEXT)].isna().any(axis=None):
        raise ValueError("it has a row that is cut short")
    numbers = table[list(NUMBERS)]
    if (numbers.abs() > 1e12).any(axis=None) or not table["epsilon"].dropna().between(0, 1).all():
        raise ValueError("it holds numbers that were never measured")
    if unknown := set(table["protocol"]) - set(PROTOCOLS):
        raise ValueError(f"it has a protocol '{min(unknown)}'")
    if table["condition"].str.contains(r"(?:^|;)epoch=(?!\d{1,6}(?:;|$))").any():
        raise ValueError("it has an epoch that is no number")


def check_cell(cell: Any) -> None:
    """Check a stored cell, and what figures take from its result.

    Raises:
        ValueError: it is none.
    """
    check_shape(cell, CELL, "a cell")
    check_shape(cell["about"].get("label", ""), str, "a label")
    result = cell["result"]
    found = {name: result[name] for name in _FIGURES if result.get(name)}
    for name, part in found.items():
        check_shape(part, _FIGURES[name], name)
    for matrix in found.get("confusion", []):
        sides = {len(matrix["classes"]), len(matrix["counts"]), *map(len, matrix["counts"])}
        _check(len(sides) == 1 and sides != {0}, "a confusion matrix is not square")
    for curve in found.get("roc", []):
        point = curve.get("point") or [0, 0]
        check_shape(point, [float], "a point")
        _check(len(curve["fpr"]) == len(curve["tpr"]) and len(point) == 2, "a curve has points of one coordinate")
    for rates in (rates for curve in found.get("curves", []) for rates in (curve["training"], curve["test"])):
        _check(all(0 <= rate <= 1 for rate in rates), "an accuracy is outside 0 to 1")
    for path in found.get("pruning", []):
        rates = (path["accuracy"], path["asr"])
        _check({*map(len, rates)} == {len(path["counts"])}, "a curve of pruning has points of one coordinate")
        _check(all(0 <= rate <= 1 for each in rates for rate in each), "a rate of pruning is outside 0 to 1")
    _check_pictures(found, result)


def _check_pictures(found: Mapping[str, Any], result: Mapping[str, Any]) -> None:
    trigger, galleries = found.get("trigger"), [image["pictures"] for image in found.get("images", [])]
    if "pictures" in found:
        check_shape(result, {"label": str}, "a gallery")
        galleries.append(found["pictures"])
    for picture in (picture for pictures in galleries for picture in pictures):
        check_shape(picture.get("probabilities") or {}, {str: float}, "probabilities")
    _same_size([sample["image"]] for sample in found.get("samples", []))
    _same_size([[trigger["pattern"]], [trigger["clean"], trigger["stamped"]]] if trigger else [])
    _same_size([picture["image"] for picture in pictures] for pictures in galleries)
    made = [row["pictures"] for row in found.get("reconstructions", [])]
    _check(len({len(pictures) for pictures in made}) < 2, "rows of reconstructions differ in length")
    _same_size([picture["image"] for picture in pictures] for pictures in made)
    sheet = found.get("artefact_sheet")
    _same_size([[sheet["clean"], *(text for row in sheet["rows"] for text in row["pictures"])]] if sheet else [])


def _same_size(series: Iterable[list[str]]) -> None:
    """Check that every text is a base64 PNG, and those of a series of one size."""
    from PIL import Image

    for texts in series:
        sizes = set()
        for text in texts:
            try:
                with Image.open(io.BytesIO(base64.b64decode(text)), formats=("PNG",)) as image:
                    sizes.add(image.size)
                    _check(max(image.size) <= _WIDEST, "a picture is too large")
                    image.load()
            except Exception as error:  # what a damaged picture raises has no bounds
                raise ValueError(f"a picture cannot be read ({type(error).__name__})") from error
        _check(len(sizes) == 1, "pictures that belong together differ in size")


def _check(right: bool, complaint: str) -> None:
    if not right:
        raise ValueError(complaint)
