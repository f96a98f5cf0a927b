"""A results folder made by hand, number by number."""

from __future__ import annotations

import base64
import io
import json

import numpy as np
import pandas as pd
from PIL import Image

from mri_robust.bench.tables import COLUMNS, csv_text
from mri_robust.report import results
from mri_robust.study.experiment import Experiment


def made(name="made", layout="classes", **changes):
    """An experiment that the report lays out; it declares no cells."""
    fields = {
        "title": f"Title of {name}",
        "reference": "section 0, Table 0",
        "columns": (),
        "headers": (),
        "paper": {},
        "faults": ("leaky-split", "rgb-images"),
        "cells": lambda setting: [],
    }
    return Experiment(name=name, layout=layout, **{**fields, **changes})


def row(metric, value, **more):
    """One line of a tidy table; `ci=(low, high)` and `label=` (the class) for short."""
    low, high = more.pop("ci", (None, None))
    defaults = {
        **{"experiment": "made", "protocol": "paper", "dataset": "phantom", "scale": "quick", "seed": 42},
        **{"model": "cnn_made", "weights": "", "attack": "made", "engine": "native"},
        **{"epsilon": None, "alpha": None, "steps": None, "condition": "", "subset": "all"},
        **{"class": more.pop("label", ""), "metric": metric, "value": value, "ci_low": low, "ci_high": high},
        **{"n": None, "paper": None},
    }
    return defaults | more


def table(*rows):
    """A tidy table as the bench makes it."""
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype({"steps": "Int64", "seed": "Int64", "n": "Int64"})


def png(pixels):
    """An image as a cell holds it."""
    file = io.BytesIO()
    Image.fromarray(np.asarray(pixels, dtype=np.uint8)).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def cell(result, **words):
    """A stored cell."""
    about = {"experiment": "made", "protocol": "paper", "seed": 42, "model": "cnn_made", "label": ""} | words
    return {"about": about, "result": {"rows": []} | result}


RUN = {
    "command": "mri-robust bench",
    "versions": {"torch": "2"},
    "machine": {"device_name": "CPU", "threads": 1, "precision": "float32"},
    "data": {"grey": {"name": "phantom", "digest": "0", "train": 8, "test": 8, "skipped": 0}},
    "protocols": ["sound", "paper"],
    "scale": "quick",
    "cuts": [],
    "engine": "native",
    "weights": "none",
    "seeds": [42],
    "warnings": [],
    "computed": 0,
    "reused": 0,
    "seconds": 1.0,
}


class Folder:
    """Writes a results folder, and lets the report know its experiments."""

    def __init__(self, path, monkeypatch):
        self.path = path
        self.experiments = {}
        self.tables = {}
        self.cells = {}
        monkeypatch.setattr(results, "load_experiment", self.experiments.__getitem__)

    def add(self, experiment, rows, cells=()):
        self.experiments[experiment.name] = experiment
        self.tables[experiment.name] = rows
        self.cells[experiment.name] = list(cells)

    def write(self, **run):
        names = {name: [f"{name}-{number}" for number in range(len(cells))] for name, cells in self.cells.items()}
        (self.path / "cells").mkdir()
        for name, rows in self.tables.items():
            (self.path / f"{name}.csv").write_text(csv_text(table(*rows)))
            for digest, stored in zip(names[name], self.cells[name], strict=True):
                (self.path / "cells" / f"{digest}.json").write_text(json.dumps(stored))
        (self.path / "run.json").write_text(
            json.dumps({**RUN, "experiments": list(self.experiments), "cells": names, **run})
        )
        (self.path / "crosscheck.json").write_text(json.dumps({"images": 1, "verdict": "passed", "comparisons": []}))
        return self.path
