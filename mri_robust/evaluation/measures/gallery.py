"""Some test images under rising epsilon, with the model's predictions: Figures 3 and 4."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import zip_longest
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mri_robust.attacks.registry import EVASION
from mri_robust.core.eval_mode import device_of, eval_mode
from mri_robust.core.progress import OnImages
from mri_robust.core.rng import make_generator
from mri_robust.data.dataset import Dataset
from mri_robust.evaluation.engines import attack_batch, load_engine
from mri_robust.evaluation.pictures import png
from mri_robust.evaluation.subject import Subject
from mri_robust.training import to_unit_range

CANDIDATES = 128
"""Test images of a kind among which its pictures are looked for."""
CONFIDENT = 0.9


def measure_gallery(parameters: Mapping[str, Any], subject: Subject, on_step: OnImages | None = None) -> dict[str, Any]:
    """Attack some test images that the model is sure of, and right.

    Args:
        parameters: `attacks` in the order of the figure, `engine`, `images` (how many), `seed`.
        subject: the model and its data.
        on_step: called with attacks done and attacks in all.

    Returns:
        `rows` (none) and `images`, first the tumour of the study's figures: for each `label`, `name`, and `pictures`,
        for the clean image and each attack `epsilon`, `predicted`, `probability`, `probabilities` of all classes,
        `image` (base64 PNG) and `change`, the greatest pixel difference.
    """
    model, dataset = subject.model, subject.dataset
    chosen = _choose(model, dataset, parameters["images"])
    clean = _images(dataset, chosen).to(device_of(model))
    labels = torch.from_numpy(dataset.test.labels[chosen]).to(clean.device)
    columns = [_pictures(model, clean, clean, dataset.classes, 0.0)]
    for number, spec in enumerate(parameters["attacks"], start=1):
        attack = spec.build(EVASION)
        starts = attack.draw_start(clean, make_generator(parameters["seed"], "gallery", repr(attack)))
        adversarial = attack_batch(load_engine(parameters["engine"]), attack, model, clean, labels, starts=starts)
        columns.append(_pictures(model, adversarial, clean, dataset.classes, attack.eps))
        if on_step:
            on_step(number, len(parameters["attacks"]))
    found = [
        {"label": dataset.classes[dataset.test.labels[place]], "name": dataset.test.names[place], "pictures": pictures}
        for place, pictures in zip(chosen, map(list, zip(*columns, strict=True)), strict=True)
    ]
    return {"rows": [], "images": found}


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
    shares = _probabilities(model, _images(dataset, places).to(device_of(model)))
    confidence = shares[np.arange(len(places)), dataset.test.labels[places]]
    sure = places[confidence >= CONFIDENT]
    return [int(place) for place in sure] or [int(places[confidence.argmax()])]


def _images(dataset: Dataset, places: np.ndarray) -> Tensor:
    return to_unit_range(torch.from_numpy(np.array(dataset.test.images[places])))


def _probabilities(model: nn.Module, images: Tensor) -> np.ndarray:
    """float32 [N, K]: the probability of each class."""
    with eval_mode(model), torch.no_grad():
        return model(images).softmax(1).cpu().numpy()


def _pictures(
    model: nn.Module, images: Tensor, clean: Tensor, classes: tuple[str, ...], eps: float
) -> list[dict[str, Any]]:
    """What is kept of each image at one epsilon."""
    changes = (images - clean).abs().amax((1, 2, 3))
    return [
        {
            "epsilon": eps,
            "predicted": classes[int(shares.argmax())],
            "probability": float(shares.max()),
            "probabilities": dict(zip(classes, map(float, shares), strict=True)),
            "change": float(change),
            "image": png(image),
        }
        for image, change, shares in zip(images, changes, _probabilities(model, images), strict=True)
    ]


MEASURE = measure_gallery
