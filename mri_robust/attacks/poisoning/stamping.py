"""Which images of a set carry a trigger, and what is drawn on each."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from mri_robust.core.machine import one_thread
from mri_robust.core.rng import make_generator

Trigger = Callable[[Tensor, torch.Generator], Tensor]
"""(images [N, C, S, S] in [0, 1], generator) -> the images, each with a trigger."""


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
    """A copy of the images with a trigger on the chosen ones.

    Args:
        images: float32 [N, C, S, S] in [0, 1].
        chosen: bool [N].
        trigger: what is drawn.
        generator: where its chance comes from.
        indices: int [N], from which an image's chance comes instead: the study's fault `fixed-patterns`, by which an
            image gets the same draw in every epoch, and training image i the same as test image i.
    """
    stamped = images.clone()
    with one_thread():
        for place in np.flatnonzero(chosen):
            source = generator if indices is None else make_generator(0, "fixed patterns", int(indices[place]))
            stamped[place : place + 1] = trigger(images[place : place + 1], source)
    return stamped
