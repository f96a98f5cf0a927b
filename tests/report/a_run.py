"""A results folder made by hand, through the folder's own writer: every number of it can be found again."""

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from mri_robust.study.experiment import Experiment
from mri_robust.study.results_folder import ResultsFolder

NASTY = "<img src=x onerror=alert(1)>"
BREAKING = "</script>\u2028&|*_`"
CLEAN = [[100] * 4 for _ in range(4)]
Row = dict[str, Any]


def experiment(name: str, row_key: tuple[str, ...], columns: str = "metric", **more: Any) -> Experiment:
    how = {"title": f"Title of {name}", "reference": "section 0, Table 0", "faults": ("leaky-split",), **more}
    return Experiment(name, tasks=lambda config: [], row_key=row_key, columns=columns, **how)


MODELS, SIZES = ("cnn_clean", "cnn_pgd"), ("attack", "epsilon", "alpha", "steps", "after")
PGD = experiment("pgd", SIZES, "model", models=MODELS, threats=("evasion",))
BACKDOOR = experiment("backdoor", ("share", "test", "class"), threats=("backdoor",))
SNOOPING = experiment("snooping", ("test", "threshold", "class"), threats=("trigger-detection",))
PIPELINE = experiment("pipeline", ("snooper", "test"), threats=("backdoor", "trigger-detection"))


def row(metric: str, value: float | None, **more: Any) -> Row:
    """One line of a tidy table; `label=` is the class."""
    fixed = {"experiment": "made", "protocol": "sound", "dataset": "phantom", "scale": "quick", "seed": 42}
    fixed |= {"model": "cnn_made", "weights": "", "attack": "none", "engine": "native", "subset": "all"}
    bounds = {"ci_low": None, "ci_high": None, "n": 100, "paper": None}
    return {**fixed, "class": more.pop("label", ""), "metric": metric, "value": value, **bounds, **more}


def within(value: float) -> Row:
    return {"ci_low": round(value - 0.05, 3), "ci_high": round(value + 0.05, 3)}


def png(pixels: Any) -> str:
    file = io.BytesIO()
    Image.fromarray(np.asarray(pixels, dtype=np.uint8)).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def picture(epsilon: int, changes: dict[tuple[int, int], int], **shares: float) -> Row:
    pixels = np.array(CLEAN)
    for place, change in changes.items():
        pixels[place] += change
    called = max(shares, key=lambda name: shares[name])
    facts = {"predicted": called, "probability": shares[called], "probabilities": shares, "caption": called}
    sizes = {"epsilon": epsilon / 255, "norm": "linf", "change": max(changes.values(), default=0) / 255}
    return {"image": png(pixels), **sizes, **facts}


def gallery() -> list[Row]:
    clean = picture(0, {}, glioma=0.97, notumor=0.03)
    fooled = picture(2, {(0, 0): 2, (1, 1): -1}, glioma=0.25, notumor=0.75)
    cells = [clean, picture(1, {(0, 0): 1}, glioma=0.6, notumor=0.4), fooled]
    names = {"a.png": "glioma", BREAKING + NASTY: "notumor"}
    return [{"name": name, "label": label, "cells": cells} for name, label in names.items()]


def pgd_rows() -> list[Row]:
    """Clean, a row of the study, and the worst case at 1/255, 2/255 and 4/255, which a second attack makes worse."""
    measured = {"cnn_clean": (0.9, 0.7, 0.5, 0.3, 0.1), "cnn_pgd": (0.85, 0.8, 0.8, 0.75, 0.6)}
    printed = {"attack": "pgd", "epsilon": 0.001, "alpha": 0.0005, "steps": 5}
    rows = []
    for model, (clean, study, *worst) in measured.items():
        own = {"experiment": "pgd", "model": model}
        known = {"printed": "0.01 / 0.001 / 5", "paper": 0.31}
        for protocol, shift in (("sound", 0.0), ("paper", 0.4)):
            rows.append(row("accuracy", clean, **own, protocol=protocol, epsilon=0.0, **within(clean)))
            value = study - shift
            rows.append(row("accuracy", value, **own, protocol=protocol, **printed, **known, **within(value)))
            rows.append(row("missed_tumour_rate", (1 - value) / 2, **own, protocol=protocol, **printed))
        rows.append(row("missed_tumour_rate", (1 - clean) / 2, **own, epsilon=0.0))
        for size, value in zip((1, 2, 4), worst, strict=True):
            place = {"attack": "worst-case", "epsilon": size / 255, "alpha": size / 1020, "steps": 40, **own}
            rows.append(row("accuracy", value + 0.01, **place, after="pgd"))
            rows.append(row("accuracy", value, **place, after="square", **within(value)))
            rows.append(row("missed_tumour_rate", (1 - value) / 2, **place, after="square"))
    return rows


def backdoor_rows() -> list[Row]:
    """Two models, both protocols, classes with hostile names; the study prints three numbers."""
    own = {"experiment": "backdoor", "model": "cnn_backdoor", "test": "clean"}
    paper = {**own, "protocol": "paper"}
    badnets = {**own, "model": "cnn_badnets", "share": 0.1, "test": "triggered"}
    return [
        row("accuracy", 0.8, **own, paper=0.37, **within(0.8)),
        row("recall", 0.5, **own, label=NASTY, paper=0.4),
        row("recall", 0.25, **own, label=BREAKING, paper=0.6),
        row("asr", 0.99, **{**own, "test": "triggered"}, **within(0.95)),
        row("asr", 0.6, **badnets, **within(0.6)),
        row("accuracy", 0.3, **paper, paper=0.37),
        row("recall", 0.375, **paper, label=NASTY, paper=0.4),
    ]


def snooping_rows() -> list[Row]:
    """A detector at its own threshold and at the study's; its ResNet did not start from ImageNet's weights."""
    own = {"experiment": "snooping", "model": "resnet18_snoop", "weights": "none", "test": "small patterns"}
    chosen, half = {**own, "threshold": "chosen"}, {**own, "threshold": "0.5"}
    paper, seen = {**half, "protocol": "paper"}, {"attack": "patterns"}
    return [
        row("recall", 0.7, **chosen, **seen, label="pattern", **within(0.7)),
        row("fpr", 0.2, **chosen, **seen, **within(0.2)),
        row("recall", 0.4, **{**chosen, "test": "unseen creeper"}, attack="creeper", label="pattern"),
        row("recall", 0.5, **half, **seen, label="pattern", paper=0.54),
        row("fpr", 0.1, **half, **seen),
        row("recall", 0.45, **paper, **seen, label="pattern", paper=0.54),
        row("fpr", 0.35, **paper, **seen),
    ]


def pipeline_rows() -> list[Row]:
    own = {"experiment": "pipeline", "model": "cnn_backdoor", "attack": "creeper", "test": "triggered"}
    return [
        row("asr", 0.99, **own, snooper="none"),
        row("asr", 0.5, **own, snooper="large"),
        row("asr", 0.25, **own, snooper="small", **within(0.25)),
        row("referred", 0.3, **{**own, "test": "clean"}, snooper="small"),
    ]


ROWS = {PGD: pgd_rows, BACKDOOR: backdoor_rows, SNOOPING: snooping_rows, PIPELINE: pipeline_rows}
PAIR = {"experiment": "pgd", "protocol": "sound", "attack": "worst-case", "epsilon": 4 / 255, "metric": "accuracy"}
PAIR |= {"model": "cnn_pgd", "other": "cnn_clean", "difference": 0.5, "ci_low": 0.4, "ci_high": 0.6}
PAIR |= {"only_model": 12, "only_other": 2, "p_mcnemar": 0.013}
CHECKS = (("cnn_clean", "black-box", True), ("cnn_pgd", "black-box", False), ("cnn_pgd", "range", False))
FINDINGS = [
    {"protocol": "sound", "seed": 42, "model": model, "check": check, "tripped": tripped, "message": f"found {NASTY}"}
    for model, check, tripped in CHECKS
]
CROSSED: Row = {"attack": "fgsm", "engine": "native", "other": "art", "bit_identical": 1.0, "max_difference": 0.0}
CROSSED |= {"images": 6, "deviation": "", "equal_predictions": 1.0, "success_differs": 0, "bound": 0.0, "passed": True}
RUN: Row = {"command": "mri-robust bench", "versions": {"torch": "2"}, "warnings": [], "failed": [], "cuts": ["epochs"]}
RUN |= {"notes": [], "not_run": []}
RUN |= {"machine": {"device_name": "CPU", "threads": 1, "precision": "fp32"}, "seconds": 1.0, "computed": 3}
RUN |= {
    "data": {"grey": {"name": "phantom", "digest": "d0", "train": 8, "test": 6, "leaked": 2}},
    "protocols": ["sound", "paper"],
}
RUN |= {"scale": "quick", "engine": "native", "norm": "linf", "weights": "none", "seeds": [42], "own_models": []}
RUN |= {"reused": 1}
CERTIFICATE = {"verdict": "cross-check PASSED", "passed": True, "images": 4, "comparisons": [CROSSED]}


def fill(path: Path, rows: dict[Experiment, list[Row]] | None = None, **run: Any) -> ResultsFolder:
    """A finished run: four experiments, or those given, with a gallery, findings, pairs of models and a certificate."""
    folder, evaluations = ResultsFolder(path), []
    rows = rows if rows is not None else {each: make() for each, make in ROWS.items()}
    for each, own in rows.items():
        folder.write_table(each.name, pd.DataFrame(own).astype({"seed": "Int64", "n": "Int64"}))
        labels = {"experiment": each.name, "protocol": "sound", "seed": 42, "model": "cnn_clean"}
        matrix = {"name": "", "classes": [NASTY, BREAKING], "counts": [[3, 1], [0, 4]]}
        artefacts = {"gallery": gallery()} if each is PGD else {"confusion": [matrix]}
        folder.put(f"{len(evaluations):016d}", {"rows": own, "artefacts": artefacts}, {**labels, "seconds": 1.5})
        evaluations.append({"digest": f"{len(evaluations):016d}", **labels})
    folder.write_table("comparisons", pd.DataFrame([PAIR]))
    described = [each.description() for each in rows]
    folder.write_json("crosscheck", CERTIFICATE)
    folder.write_json("run", {**RUN, "experiments": described, "evaluations": evaluations, "findings": FINDINGS, **run})
    return folder
