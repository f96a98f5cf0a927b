"""Noise as data, and the configurations of it that the tests of trainings use."""

from __future__ import annotations

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


def noise(seed: int) -> Split:
    """Pixels of at most 99, which the trigger's value, 140, is over."""
    images = np.random.default_rng(seed).integers(0, 100, (COUNT, 1, SIDE, SIDE), dtype=np.uint8)
    return Split(images, np.arange(COUNT) % 4, tuple(map(str, range(COUNT))))


DATA = Dataset("noise", noise(0), noise(1), CLASSES, "0" * 16)
SCALE = replace(QUICK, image_size=SIDE, epochs={10: 1, 5: 2}, attacked_epochs={5: 2, 10: 2})


def config(protocol: str = "sound", **changes: Any) -> Config:
    """A configuration told of the data; `changes` are its fields."""
    return Config(protocol=protocol, **{"scale": SCALE, "channels": "grey", **changes}).on(DATA)


def carries_trigger(images: np.ndarray | torch.Tensor) -> np.ndarray:
    """bool [N]: whether a pixel of the trigger's mouth is lit, of images [N, C, S, S] in [0, 1]."""
    return np.isclose(np.asarray(images)[:, 0, -3, -4], TRIGGER, atol=0.003)
