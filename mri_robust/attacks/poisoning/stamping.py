"""Which images of a set carry a trigger, and putting it on them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mri_robust.core.machine import one_thread
from mri_robust.core.rng import make_generator

Trigger = Callable[..., Any]
"""(images [N, C, H, W], uint8 or floats in [0, 1], generator) -> a copy of the same type, every image stamped."""


@dataclass(frozen=True, eq=False)
class PlacedStamp:
    """Stamps `trigger` on the images of a batch that stand at poisoned places of the training set, bool [count]."""

    trigger: Trigger
    poisoned: Tensor

    def __call__(self, images: Tensor, places: Tensor, generator: torch.Generator) -> Tensor:
        """A copy of images [N, C, H, W] in [0, 1] whose places [N] say which of them are stamped."""
        chosen = self.poisoned[places]
        stamped = images.clone()
        if chosen.any():
            stamped[chosen] = self.trigger(images[chosen], generator)
        return stamped


def draw_half(count: int, seed: int) -> np.ndarray:
    """Which half of `count` images carries a trigger, bool [count]; the smaller half of an odd number."""
    order = torch.randperm(count, generator=make_generator(seed, "stamped half"))
    stamped = np.zeros(count, dtype=bool)
    stamped[order[: count // 2].numpy()] = True
    return stamped


def stamp(
    images: Tensor,
    chosen: np.ndarray,
    trigger: Trigger,
    generator: torch.Generator,
    *,
    indices: np.ndarray | None = None,
) -> Tensor:
    """A copy of images [N, C, S, S], float32 in [0, 1], with a trigger on the chosen ones, bool [N], drawn one by one.

    `indices`, int [N], seed a generator per image in place of the given one: the study's fault `fixed-patterns`, by
    which an image gets the same draw in every epoch, and training image i the same as test image i.
    """
    stamped = images.clone()
    with one_thread():
        for place in np.flatnonzero(chosen):
            source = generator if indices is None else make_generator(0, "fixed patterns", int(indices[place]))
            stamped[place : place + 1] = trigger(images[place : place + 1], source)
    return stamped
