"""What a measure looks at."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from mri_robust.data.dataset import Dataset


@dataclass(frozen=True)
class Subject:
    """A trained model with its data.

    Attributes:
        model: a `Classifier`, an `Ensemble` or a `Snooper`, on its device; a measure leaves it as it was.
        dataset: the data, at the model's size.
        history: the record of its training, an entry an epoch.
        others: further models that the measure needs, in the order of `Cell.others`.
    """

    model: Any
    dataset: Dataset
    history: list[dict[str, Any]] = field(default_factory=list)
    others: tuple[Any, ...] = ()
