"""Some test images under rising epsilon, with the model's predictions: Figures 3 and 4."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mri_robust.attacks.evasion.epsilon_sweep import run_attack
from mri_robust.attacks.evasion.search import Part
from mri_robust.core.eval_mode import device_of, eval_mode
from mri_robust.core.validation import to_unit_range
from mri_robust.data.dataset import Dataset
from mri_robust.evaluation.evaluation import Context, Evaluation, probabilities
from mri_robust.evaluation.pictures import cell, strip
from mri_robust.evaluation.robustness import load_engine, region_of
from mri_robust.evaluation.rows import Row

CANDIDATES = 128
"""Test images of a kind among which its pictures are looked for."""
CONFIDENT = 0.9
IMAGES = 6


@dataclass(frozen=True)
class Gallery(Evaluation):
    """Attack `IMAGES` test images that the model is sure of, and right; it yields no rows.

    It keeps a sheet, first the tumour of the study's figures: one strip per image, with the clean picture and one per
    attack, each with `epsilon`, its `norm`, `predicted`, `probability`, `probabilities` of all classes and `change`,
    the greatest pixel difference.
    """

    attacks: tuple[Any, ...]  # in the order of the figure
    engine: str = "native"  # whose code crafts
    region: str = "all"  # where pixels may be changed, one of `data.REGIONS`

    def __call__(self, context: Context) -> Iterator[Row]:
        """No rows; see `context.artefacts["gallery"]`."""
        model, dataset = context.model, context.dataset
        test, device = dataset.test, device_of(model)
        chosen = sure_images(model, dataset)
        clean, labels = to_unit_range(test.images[chosen]).to(device), torch.from_numpy(test.labels[chosen]).to(device)
        columns = [_cells(model, clean, clean, dataset.classes, None)]
        region = region_of(test.images[chosen], self.region, device)
        part, craft = Part.of(clean, labels, region=region), load_engine(self.engine)
        with eval_mode(model):
            for attack in context.steps(self.attacks):
                crafted = run_attack(model, part, attack, seed=self.seed, craft=craft)
                columns.append(_cells(model, crafted, clean, dataset.classes, attack))
        context.artefacts["gallery"] = [
            strip(test.names[place], cells, label=dataset.classes[test.labels[place]])
            for place, *cells in zip(chosen, *columns, strict=True)
        ]
        yield from ()


def sure_images(model: nn.Module, dataset: Dataset) -> list[int]:
    """Places of at most `IMAGES` test images: the first sure tumour, then by turns the sure images of each class."""
    classes = range(len(dataset.classes))
    first = _sure(model, dataset, [index for index in classes if index not in dataset.healthy])[:1]
    turns = zip_longest(*(_sure(model, dataset, [index]) for index in classes))
    places = dict.fromkeys([*first, *(place for turn in turns for place in turn if place is not None)])
    return list(places)[:IMAGES]


def _sure(model: nn.Module, dataset: Dataset, wanted: list[int]) -> list[int]:
    """Places of the test images of some classes that the model calls right with 90 % confidence.

    Where there is none, the one whose class it is most confident of.
    """
    test = dataset.test
    places = np.flatnonzero(np.isin(test.labels, wanted))[:CANDIDATES]
    if not len(places):
        return []
    shares = probabilities(model, test.images[places]).numpy()
    confidence = shares[np.arange(len(places)), test.labels[places]]
    sure: list[int] = places[confidence >= CONFIDENT].tolist()
    return sure or [int(places[confidence.argmax()])]


def _cells(
    model: nn.Module, images: Tensor, clean: Tensor, classes: Sequence[str], attack: Any
) -> list[dict[str, Any]]:
    """What is kept of each image under one attack, None for the clean images."""
    size = {"epsilon": getattr(attack, "eps", 0.0), "norm": getattr(attack, "norm", "linf")}
    changes = (images - clean).abs().amax((1, 2, 3)).tolist()
    cells = []
    for image, change, shares in zip(images, changes, probabilities(model, images).tolist(), strict=True):
        each = dict(zip(classes, shares, strict=True))
        called = max(each, key=each.__getitem__)
        facts = {**size, "predicted": called, "probability": each[called], "change": change}
        cells.append(cell(image, f"{called} {each[called]:.0%}", **facts, probabilities=each))
    return cells
