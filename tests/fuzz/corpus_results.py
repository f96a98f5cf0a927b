"""A small results folder, made by hand, and the files that may stand in place of its own."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from corpus_images import PICTURE, saved
from made_up import deep

from mri_robust.core.hashing import digest

COLUMNS = (
    "experiment,protocol,dataset,scale,seed,model,weights,attack,engine,epsilon,alpha,steps,condition,subset,class,"
    "metric,value,ci_low,ci_high,n,paper"
)
NAMES = {"fgsm": "fgsm", "loss": "noisy-loss"}
LINES = {
    "fgsm": [
        "fgsm,sound,phantom,quick,42,cnn_clean,,none,native,0.0,,,,all,,accuracy,0.9,0.8,0.95,100,",
        "fgsm,sound,phantom,quick,42,cnn_clean,,fgsm,native,0.004,,,printed=0.1,all,,accuracy,0.5,0.4,0.6,100,",
        "fgsm,paper,phantom,quick,42,cnn_clean,,fgsm,native,0.018,,,printed=0.1,all,,accuracy,0.5,0.4,0.6,100,0.0",
    ],
    "loss": [
        "noisy-loss,sound,phantom,quick,42,cnn_noisy,,noisy,native,,,,start=scratch,all,,accuracy,0.9,0.8,0.95,100,0.8",
        "noisy-loss,sound,phantom,quick,42,cnn_noisy,,noisy,native,,,,start=scratch;epoch=1,all,,accuracy,0.7,,,100,",
        "noisy-loss,sound,phantom,quick,42,cnn_noisy,,noisy,native,,,,start=scratch,all,notumor,recall,0.7,0.6,0.8,9,0.1",
    ],
}
"""Layout -> the lines of a tidy table: accuracies over epsilon, and a row a condition."""


def _picture(**changes: object) -> str:
    import base64

    return base64.b64encode(saved(PICTURE.convert("L"), "PNG")).decode()


def _gallery(eps: float) -> dict[str, Any]:
    shares = {"notumor": 0.75, "a": 0.25}
    facts = {"epsilon": eps, "predicted": "notumor", "probability": 0.75, "probabilities": shares, "change": eps}
    return {**facts, "image": _picture()}


RESULTS: dict[str, dict[str, Any]] = {
    "confusion": {"confusion": [{"name": "test=clean", "classes": ["a", "notumor"], "counts": [[3, 1], [0, 4]]}]},
    "curves": {"curves": [{"name": "accuracy", "training": [0.5, 0.75], "test": [0.25, 0.5]}]},
    "roc": {"roc": [{"name": "x", "auc": 0.75, "fpr": [0.0, 0.5, 1.0], "tpr": [0.0, 0.75, 1.0], "point": [0.5, 0.75]}]},
    "samples": {"samples": [{"image": _picture(), "caption": "score 0.5"}]},
    "trigger": {"trigger": {"pattern": _picture(), "clean": _picture(), "stamped": _picture(), "class": "a"}},
    "images": {"images": [{"label": "a", "name": "Testing/a/a.png", "pictures": [_gallery(0.0), _gallery(0.015625)]}]},
}
"""Kind of figure -> the result of a cell that it is drawn from."""
CELL = "0123456789abcdef"


def cell(result: dict[str, Any], layout: str = "loss", **changes: object) -> dict[str, Any]:
    """A stored cell, its checksum right."""
    words = {
        "experiment": NAMES[layout],
        "protocol": "sound",
        "seed": 42,
        "model": "cnn_noisy",
        "label": "start scratch",
    }
    about, whole = {**words, "model_file": "cnn_noisy-0", "seconds": 1.5, **changes}, {"rows": [], **result}
    return {"about": about, "result": whole, "checksum": digest([about, whole])}


def run(layout: str = "loss") -> dict[str, Any]:
    """What `run.json` says."""
    return {
        "command": "mri-robust bench",
        "versions": {"torch": "2"},
        "machine": {
            "device_name": "x86_64",
            "threads": 1,
            "precision": "fp32",
            "device": "cpu",
            "system": "",
            "python": "3",
        },
        "data": {"grey": {"name": "phantom", "digest": "0" * 16, "train": 8, "test": 8, "skipped": {}}},
        "experiments": [NAMES[layout]],
        "protocols": ["sound", "paper"] if layout == "fgsm" else ["sound"],
        "scale": "quick",
        "cuts": ["images of 56 pixels"],
        "engine": "native",
        "weights": "resnet18 none, resnet50 none",
        "seeds": [42],
        "cells": {NAMES[layout]: [CELL]},
        "words": {NAMES[layout]: [{"label": "start scratch"}]},
        "warnings": ["a model overfitted"],
        "computed": 1,
        "reused": 0,
        "seconds": 1.5,
    }


AGREEMENT = {
    **{"attack": "fgsm", "engine": "native", "other": "art", "images": 8, "bit_identical": 1.0, "max_difference": None},
    **{"equal_predictions": 1.0, "success_differs": 0, "bound": 0.0, "passed": True},
}
CERTIFICATE: dict[str, Any] = {
    **{"verdict": "cross-check PASSED", "passed": True, "images": 8, "device": "cpu", "about": {"model": "x"}},
    **{"versions": {"torch": "2"}, "comparisons": [AGREEMENT], "mutants_caught": {"wrong sign": True}},
}


def table(layout: str = "loss") -> str:
    """A tidy table as CSV."""
    return "\n".join([COLUMNS, *LINES[layout]]) + "\n"


def write(folder: Path, layout: str = "loss", **content: Any) -> Path:
    """A results folder; `run`, `certificate`, `table` and `cell` stand in place of its own, as JSON data or bytes."""
    whole = {
        "run": run(layout),
        "certificate": CERTIFICATE,
        "table": table(layout),
        "cell": cell({}, layout),
        **content,
    }
    files = {
        "run": "run.json",
        "certificate": "crosscheck.json",
        "table": f"{NAMES[layout]}.csv",
        "cell": f"cells/{CELL}.json",
    }
    (folder / "cells").mkdir(parents=True)
    for part, name in files.items():
        path, value = folder / name, whole[part]
        if callable(value):
            value(path)
        elif isinstance(value, bytes):
            path.write_bytes(value)
        else:
            path.write_text(value if part == "table" else json.dumps(value), encoding="utf-8", errors="surrogatepass")
    return folder


STANDINS: dict[str, bytes | Callable[[Path], object]] = {
    "nothing": b"",
    "null": b"null",
    "list": b"[]",
    "text": b'"text"',
    "object": b"{}",
    "nan": b"NaN",
    "digits": b"9" * 5000,
    "deep": b"[" * 100_000 + b"]" * 100_000,
    "deep-object": b'{"about":' * 50_000 + b"1" + b"}" * 50_000,
    "nearly-too-deep": json.dumps({"about": {}, "result": deep(300), "checksum": "x"}).encode(),
    "binary": bytes(range(256)) * 20,
    "not-utf-8": b'{"about": "\xff\xfe"}',
    "utf-16": '{"about": {}}'.encode("utf-16"),
    "cut": json.dumps(cell({})).encode()[:60],
    "twice": json.dumps(cell({})).encode() * 2,
    "pipe": os.mkfifo,
    "folder": os.mkdir,
    "loop": lambda path: os.symlink(path.name, path),
    "zeros": lambda path: os.symlink("/dev/zero", path),
    "absent": lambda path: None,
}
"""What may lie where a file of a results folder should."""
TABLES: dict[str, str] = {
    "header-only": COLUMNS + "\n",
    "no-column": table().replace("protocol", "protocoll"),
    "column-twice": table().replace("alpha", "epsilon"),
    "garbage-number": table().replace("0.9", "many"),
    "endless-number": table().replace("0.9", "1e999"),
    "hex-number": table().replace("0.9", "0x1p3"),
    "short-row": table() + "noisy-loss,sound\n",
    "long-row": table() + ",".join(["x"] * 500) + "\n",
    "longer-rows": COLUMNS + "\n" + "\n".join(f"{line},extra,extra" for line in LINES["loss"]) + "\n",
    "long-field": table().replace("start=scratch", "start=" + "s" * 200_000),
    "open-quote": table().replace("start=scratch", '"start'),
    "nul": table().replace("cnn_noisy", "cnn\0noisy"),
    "protocol-points-out": table().replace(",sound,", ",x/../../../../EXECUTED,"),
    "protocol-unknown": table().replace(",sound,", ",,"),
    "epoch-no-number": table().replace("epoch=1", "epoch=one"),
    "epoch-huge": table().replace("epoch=1", "epoch=" + "9" * 4000),
    "markup": table().replace("cnn_noisy", "[/red]\x1b[31m|<script>`"),
    "formula": table().replace("cnn_noisy", "=cmd()").replace("start=scratch", "$x_{$"),
    "surrogate": table().replace("cnn_noisy", "\udcff"),
    "html": "<!DOCTYPE html>\n<p>404</p>\n",
}
"""Tidy tables that no bench writes."""
