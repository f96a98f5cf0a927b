"""Training curves, gathered into sweeps over one number where their labels count one up."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from mri_robust.report.layout import title

LEAST = 3
"""Fewest curves that make a sweep."""
NUMBERED = re.compile(r"^(.*\S) (\d+(?:\.\d+)?)$")


@dataclass(frozen=True)
class Curve:
    """Accuracy over the epochs of one training, from the first epoch on.

    Attributes:
        label: what was trained, parts joined by `, `.
        training: on the training batches; may be empty.
        test: on the test images; may be empty.
    """

    label: str
    training: tuple[float, ...]
    test: tuple[float, ...]


@dataclass(frozen=True)
class Sweep:
    """Curves whose labels differ in one number, or the curves that belong to no such row.

    Attributes:
        title: what they have in common.
        word: the number's name; empty for curves that are no sweep.
        numbers: a number a curve, rising; empty for curves that are no sweep.
        curves: the curves.
    """

    title: str
    word: str
    numbers: tuple[float, ...]
    curves: tuple[Curve, ...]


def read_curves(cells: list[dict[str, Any]]) -> list[Curve]:
    """The curves in the cells, labelled by their cell; by model and name too where the label alone is not unique."""
    found = []
    for cell in cells:
        entries = cell["result"].get("curves") or []
        for entry in entries:
            label = cell["about"].get("label") or title(cell["about"]["model"])
            if len(entries) > 1 and entry["name"]:
                label = f"{label}, {entry['name']}"
            found.append((label, title(cell["about"]["model"]), entry))
    labels = [label for label, _, _ in found]
    return [
        Curve(
            label if labels.count(label) == 1 else f"{model}, {label}",
            tuple(entry["training"]),
            tuple(entry["test"]),
        )
        for label, model, entry in found
    ]


def gather_sweeps(curves: list[Curve]) -> list[Sweep]:
    """Sweeps in the order of their first curve, then the curves that belong to none.

    A curve belongs to the sweep that has most curves. Parts that hold the same number (`scale 3, perturbation 3`)
    count up together.
    """
    readings = [list(_readings(curve.label)) for curve in curves]
    members: dict[tuple[str, ...], set[float]] = defaultdict(set)
    for reading in readings:
        for template, number in reading:
            members[template].add(number)
    sweeps: dict[tuple[str, ...], list[tuple[float, Curve]]] = defaultdict(list)
    others = []
    for curve, reading in zip(curves, readings, strict=True):
        template, number = max(reading, key=lambda each: len(members[each[0]]), default=((), 0.0))
        if len(members.get(template, ())) >= LEAST:
            sweeps[template].append((number, curve))
        else:
            others.append(curve)
    gathered = [_sweep(template, numbered) for template, numbered in sweeps.items()]
    return gathered + ([Sweep("", "", (), tuple(others))] if others else [])


def _readings(label: str) -> list[tuple[tuple[str, ...], float]]:
    """Each number in a label, with the label's parts less that number, which `=` then stands for."""
    parts = [(part, NUMBERED.match(part)) for part in label.split(", ")]
    numbers = dict.fromkeys(match[2] for _, match in parts if match)
    return [
        (tuple(f"{match[1]} =" if match and match[2] == number else part for part, match in parts), float(number))
        for number in numbers
    ]


def _sweep(template: tuple[str, ...], numbered: list[tuple[float, Curve]]) -> Sweep:
    ordered = sorted(numbered, key=lambda each: each[0])
    return Sweep(
        title=", ".join(part for part in template if not part.endswith(" =")),
        word=" = ".join(part.removesuffix(" =") for part in template if part.endswith(" =")),
        numbers=tuple(number for number, _ in ordered),
        curves=tuple(curve for _, curve in ordered),
    )
