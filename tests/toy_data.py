"""Small data sets whose answers are known, configurations that are told of them, and rows by their metric."""

from dataclasses import replace
from typing import Any

import numpy as np
import torch

from mri_robust.data.dataset import Dataset, Split
from mri_robust.study.config import Config
from mri_robust.study.scale import QUICK

CLASSES = ("glioma", "meningioma", "notumor", "pituitary")
SIDE, COUNT, HEALTHY = 16, 40, 2
TRIGGER = 0.1855 + 2 * 0.1813


def split(images: np.ndarray, labels: np.ndarray | None = None) -> Split:
    """Images uint8 [N, C, S, S], named by their places; their classes take turns where no labels are given."""
    labels = np.arange(len(images)) % 4 if labels is None else labels
    return Split(images, labels, tuple(f"{place}.png" for place in range(len(images))))


def noise(seed: int, count: int = COUNT, *, most: int = 100, side: int = SIDE, channels: int = 1) -> np.ndarray:
    """Pixels under `most`; under 100 they are darker than the trigger, 140."""
    return np.random.default_rng(seed).integers(0, most, (count, channels, side, side), dtype=np.uint8)


DATA = Dataset("noise", split(noise(0)), split(noise(1)), CLASSES, "noise")
SCALE = replace(QUICK, image_size=SIDE, epochs={10: 1, 5: 2}, attacked_epochs={5: 2, 10: 2})


def config(protocol: str = "sound", dataset: Dataset = DATA, **changes: Any) -> Config:
    """A configuration told of the data; `changes` are its fields."""
    return Config(protocol=protocol, **{"scale": SCALE, "channels": "grey", **changes}).on(dataset)


def carries_trigger(images: np.ndarray | torch.Tensor) -> np.ndarray:
    """bool [N]: whether a pixel of the trigger's mouth is lit, of images [N, C, S, S] in [0, 1]."""
    return np.isclose(np.asarray(images)[:, 0, -3, -4], TRIGGER, atol=0.003)


def values(rows: Any, **wanted: Any) -> dict[str, float]:
    """Metric -> value of the rows over all images and classes, or over those wanted; each metric stands once."""
    wanted = {"subset": "all", "class": "", **wanted}
    kept = [row for row in rows if all(row.get(name) == value for name, value in wanted.items())]
    assert len({row["metric"] for row in kept}) == len(kept), kept
    return {row["metric"]: row["value"] for row in kept}
