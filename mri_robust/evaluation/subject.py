"""What a measure looks at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from mri_robust.data.dataset import Dataset

PART_IMAGES = 1024
"""Images measured in one piece: whole batches, so that the pieces do not change a number."""

MeasurePart = Callable[[int, int], Any]
"""(first image, the one after the last) -> plain data."""
Spread = Callable[[MeasurePart, int], list[Any]]
"""(how to measure a part, images in all) -> what the parts gave, in order."""


def spans(images: int) -> list[tuple[int, int]]:
    """The parts of so many images: the first and the one after the last of each."""
    return [(begin, min(begin + PART_IMAGES, images)) for begin in range(0, images, PART_IMAGES)]


def in_turn(measure_part: MeasurePart, images: int) -> list[Any]:
    """Measure part after part, here and now."""
    return [measure_part(begin, end) for begin, end in spans(images)]


@dataclass(frozen=True)
class Subject:
    """A trained model with its data.

    Attributes:
        model: a `Classifier`, an `Ensemble` or a `Snooper`, on its device; a measure leaves it as it was.
        dataset: the data, at the model's size.
        history: the record of its training, an entry an epoch.
        others: further models that the measure needs, in the order of `Cell.others`.
        spread: who measures the parts of a long measurement: one after the other, or workers beside each other.
        precision: number format of trainings that belong to the measurement, `bf16` or `fp32`.
    """

    model: Any
    dataset: Dataset
    history: list[dict[str, Any]] = field(default_factory=list)
    others: tuple[Any, ...] = ()
    spread: Spread = in_turn
    precision: str = "fp32"
