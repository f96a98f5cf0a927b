"""Some test images under rising epsilon, with the model's predictions: Figures 3 and 4."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mri_robust.core.eval_mode import device_of, eval_mode
from mri_robust.data.dataset import Dataset
from mri_robust.evaluation.evaluation import Context, Evaluation
from mri_robust.evaluation.pictures import cell, strip
from mri_robust.evaluation.prediction import probabilities
from mri_robust.evaluation.robustness import craft_batch
from mri_robust.evaluation.rows import Row
from mri_robust.training import to_unit_range

CANDIDATES = 128
"""Test images of a kind among which its pictures are looked for."""
CONFIDENT = 0.9
IMAGES = 6


@dataclass(frozen=True)
class Gallery(Evaluation):
    """Attack some test images that the model is sure of, and right; it yields no rows.

    It keeps a sheet, first the tumour of the study's figures: one strip per image, with the clean picture and one per
    attack, each with `epsilon`, `predicted`, `probability`, `probabilities` of all classes and `change`, the greatest
    pixel difference.

    Attributes:
        attacks: in the order of the figure.
        engine: whose code crafts.
        images: how many.
    """

    attacks: tuple[Any, ...]
    engine: str = "native"
    images: int = IMAGES

    def __call__(self, context: Context) -> Iterator[Row]:
        """No rows; see `context.artefacts["gallery"]`."""
        model, dataset = context.model, context.dataset
        chosen = _choose(model, dataset, self.images)
        clean = _images(dataset, chosen).to(device_of(model))
        labels = torch.from_numpy(dataset.test.labels[chosen]).to(clean.device)
        columns = [_cells(model, clean, clean, dataset.classes, 0.0)]
        with eval_mode(model):
            for number, attack in enumerate(self.attacks, start=1):
                crafted = craft_batch(self.engine, attack, model, clean, labels, seed=self.seed)
                columns.append(_cells(model, crafted, clean, dataset.classes, attack.eps))
                context.on_step(number, len(self.attacks))
        context.artefacts["gallery"] = [
            strip(dataset.test.names[place], list(cells)) | {"label": dataset.classes[dataset.test.labels[place]]}
            for place, cells in zip(chosen, zip(*columns, strict=True), strict=True)
        ]
        yield from ()


def _choose(model: nn.Module, dataset: Dataset, count: int) -> np.ndarray:
    """Places of at most `count` test images: the first sure tumour, then by turns the sure images of each class."""
    tumours = [index for index in range(len(dataset.classes)) if index not in dataset.healthy]
    first = _sure(model, dataset, tumours)[:1]
    turns = zip_longest(*(_sure(model, dataset, [index]) for index in range(len(dataset.classes))))
    places = dict.fromkeys([*first, *(place for turn in turns for place in turn if place is not None)])
    return np.array(list(places)[:count])


def _sure(model: nn.Module, dataset: Dataset, wanted: list[int]) -> list[int]:
    """Places of the test images of some classes that the model calls right with 90 % confidence.

    Where there is none, the one whose class it is most confident of.
    """
    places = np.flatnonzero(np.isin(dataset.test.labels, wanted))[:CANDIDATES]
    if not len(places):
        return []
    shares = probabilities(model, _images(dataset, places)).numpy()
    confidence = shares[np.arange(len(places)), dataset.test.labels[places]]
    sure = places[confidence >= CONFIDENT]
    return [int(place) for place in sure] or [int(places[confidence.argmax()])]


def _images(dataset: Dataset, places: np.ndarray) -> Tensor:
    return to_unit_range(torch.from_numpy(np.array(dataset.test.images[places])))


def _cells(
    model: nn.Module, images: Tensor, clean: Tensor, classes: tuple[str, ...], eps: float
) -> list[dict[str, Any]]:
    """What is kept of each image at one epsilon."""
    changes = (images - clean).abs().amax((1, 2, 3)).tolist()
    cells = []
    for image, change, shares in zip(images, changes, probabilities(model, images).numpy(), strict=True):
        called, sure = classes[int(shares.argmax())], float(shares.max())
        facts = {"epsilon": eps, "predicted": called, "probability": sure, "change": change}
        each = dict(zip(classes, map(float, shares), strict=True))
        cells.append(cell(image, f"{called} {sure:.0%}", **facts, probabilities=each))
    return cells
