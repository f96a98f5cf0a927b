"""All slices of a phantom set as one array, drawn once and then kept on disk."""

from __future__ import annotations

import math
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mri_robust.core.hashing import digest
from mri_robust.core.errors import UserError
from mri_robust.core.files import cache_folder, written_aside
from mri_robust.data.phantom.slices import VERSION, SplitName, draw


@dataclass(frozen=True)
class Extent:
    """Which slices a set holds.

    Attributes:
        train, test: number of slices in each split; more slices never change the earlier ones.
        seed: 0 or more; names the whole set.
    """

    train: int = 1600
    test: int = 400
    seed: int = 0

    def slices(self) -> list[tuple[SplitName, int]]:
        """(split, index) of every slice, the training slices first."""
        return [("train", index) for index in range(self.train)] + [("test", index) for index in range(self.test)]


def load_images(extent: Extent, size: int) -> np.ndarray:
    """All slices uint8 [train + test, 1, size, size], read-only: mapped from the cache, drawn first if need be.

    Where the cache cannot be written the slices are drawn into memory.

    Raises:
        UserError: they fit neither.
    """
    shape = (extent.train + extent.test, 1, size, size)
    try:
        path = cache_folder("phantom") / f"{digest([VERSION, extent, size])}.npy"
        if (images := _cached(path, extent, shape)) is not None:
            return images
        if shutil.disk_usage(path.parent).free < math.prod(shape):  # a mapped file that finds no room ends the process
            raise OSError("no room in the cache")
        with written_aside(path) as aside:
            target = np.lib.format.open_memmap(aside, mode="w+", dtype=np.uint8, shape=shape)
            _fill(target, extent)
            target.flush()
            del target
        return np.lib.format.open_memmap(path, mode="r")
    except (UserError, OSError):
        images = _room_in_memory(shape)
        _fill(images, extent)
        images.flags.writeable = False
        return images


def _room_in_memory(shape: tuple[int, ...]) -> np.ndarray:
    try:
        return np.empty(shape, np.uint8)
    except MemoryError as error:
        raise UserError(
            f"{shape[0]} slices of {shape[-1]} pixels fit neither the cache nor memory: ask for fewer or smaller ones"
        ) from error


def _cached(path: Path, extent: Extent, shape: tuple[int, ...]) -> np.ndarray | None:
    """The cached slices, or None where they are absent, damaged, or not what the drawing code gives today."""
    try:
        images = np.lib.format.open_memmap(path, mode="r")  # unlike np.load it takes no pickle and no archive
    except Exception:  # numpy reads the header with Python's own parser, which raises nearly anything
        return None
    if images.shape != shape or images.dtype != np.uint8:
        return None
    slices = extent.slices()
    samples = {0, extent.train - 1, extent.train, len(slices) - 1}
    drawn = (np.array_equal(images[at, 0], draw(extent.seed, *slices[at], shape[-1])[0]) for at in samples)
    return images if all(drawn) else None


def _fill(target: np.ndarray, extent: Extent) -> None:
    # One thread: the arrays of a slice are so small that threads only wait for one another.
    for at, (split, index) in enumerate(extent.slices()):
        target[at, 0] = draw(extent.seed, split, index, target.shape[-1])[0]
