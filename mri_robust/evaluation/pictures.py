"""What an evaluation leaves beside its rows, as plain data for JSON: pictures, confusion matrices, ROC curves."""

import base64
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image
from sklearn.metrics import confusion_matrix, roc_auc_score, roc_curve
from torch import Tensor

CURVE_POINTS = 200


def png(image: Tensor) -> str:
    """An image [C, H, W] in [0, 1], C 1 or 3, as base64 of a PNG."""
    pixels = (image.detach().cpu().clamp(0, 1) * 255).round().to(torch.uint8).numpy()
    picture = Image.fromarray(pixels[0] if len(pixels) == 1 else np.ascontiguousarray(np.moveaxis(pixels, 0, -1)))
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG")
    return base64.b64encode(buffer.getvalue()).decode("ascii")


def cell(image: Tensor, caption: str = "", **facts: Any) -> dict[str, Any]:
    """A picture of a sheet: the image [C, H, W] in [0, 1], what stands under it, and further facts."""
    return {"image": png(image), "caption": caption, **facts}


def strip(name: str, cells: Sequence[dict[str, Any]], **facts: Any) -> dict[str, Any]:
    """A row of a sheet: what stands before it, its pictures, and further facts. A sheet is a list of these."""
    return {"name": name, "cells": list(cells), **facts}


def confusion(name: str, labels: np.ndarray, predicted: np.ndarray, classes: Sequence[str]) -> dict[str, Any]:
    """A confusion matrix: counts[true][predicted]."""
    counts = confusion_matrix(labels, predicted, labels=list(range(len(classes))))
    return {"name": name, "classes": list(classes), "counts": counts.tolist()}


def roc_points(name: str, labels: np.ndarray, scores: np.ndarray) -> dict[str, Any]:
    """A ROC curve: `name`, `fpr`, `tpr`, `auc`; labels int [N], 1 for a positive, and their scores, float [N]."""
    fpr, tpr, _ = roc_curve(labels, scores)
    some = np.unique(np.linspace(0, len(fpr) - 1, CURVE_POINTS).astype(int))
    auc = float(roc_auc_score(labels, scores))
    return {"name": name, "fpr": fpr[some].tolist(), "tpr": tpr[some].tolist(), "auc": auc}
