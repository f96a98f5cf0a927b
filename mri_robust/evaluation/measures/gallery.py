"""One test image under rising epsilon, with the model's predictions: Figures 3 and 4."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mri_robust.attacks.registry import EVASION
from mri_robust.core.borrowing import device_of, eval_mode
from mri_robust.core.progress import OnImages
from mri_robust.core.seeding import make_generator
from mri_robust.data.dataset import Dataset
from mri_robust.evaluation.engines import attack_batch, load_engine
from mri_robust.evaluation.pictures import png
from mri_robust.evaluation.rates import NO_TUMOUR
from mri_robust.evaluation.subject import Subject
from mri_robust.training import to_unit_range

CANDIDATES = 128
CONFIDENT = 0.9


def measure_gallery(parameters: Mapping[str, Any], subject: Subject, on_step: OnImages | None = None) -> dict[str, Any]:
    """Attack the first tumour image that the model is sure of, and right.

    Args:
        parameters: `attacks` in the order of the figure, `engine`, `seed`.
        subject: the model and its data.
        on_step: called with attacks done and attacks in all.

    Returns:
        `rows` (none), `label`, and `pictures`: for the clean image and each attack `epsilon`, `predicted`,
        `probability`, `image` (base64 PNG) and `change`, the greatest pixel difference.
    """
    model, dataset = subject.model, subject.dataset
    index = _first_right_tumour(model, dataset)
    device = device_of(model)
    image = to_unit_range(torch.from_numpy(np.array(dataset.test.images[index : index + 1]))).to(device)
    label = torch.from_numpy(dataset.test.labels[index : index + 1]).to(device)
    pictures = [_picture(model, image, image, dataset, 0.0)]
    for number, spec in enumerate(parameters["attacks"], start=1):
        attack = spec.build(EVASION)
        starts = attack.draw_start(image, make_generator(parameters["seed"], "gallery", repr(attack)))
        adversarial = attack_batch(load_engine(parameters["engine"]), attack, model, image, label, starts=starts)
        pictures.append(_picture(model, adversarial, image, dataset, attack.eps))
        if on_step:
            on_step(number, len(parameters["attacks"]))
    return {"rows": [], "label": dataset.classes[int(label)], "name": dataset.test.names[index], "pictures": pictures}


def _first_right_tumour(model: nn.Module, dataset: Dataset) -> int:
    """Index of the first test image of a tumour that the model calls right with 90 % confidence.

    Where there is none, of the one it is most confident of; where no class is a tumour, of any class.
    """
    tumours = [i for i, name in enumerate(dataset.classes) if name.lower() not in NO_TUMOUR]
    candidates = np.flatnonzero(np.isin(dataset.test.labels, tumours))[:CANDIDATES]
    images = to_unit_range(torch.from_numpy(np.array(dataset.test.images[candidates]))).to(device_of(model))
    with eval_mode(model), torch.no_grad():
        probabilities = model(images).softmax(1).cpu().numpy()
    confidence = probabilities[np.arange(len(candidates)), dataset.test.labels[candidates]]
    sure = np.flatnonzero(confidence >= CONFIDENT)
    return int(candidates[sure[0] if len(sure) else confidence.argmax()])


def _picture(model: nn.Module, image: Tensor, clean: Tensor, dataset: Dataset, eps: float) -> dict[str, Any]:
    with eval_mode(model), torch.no_grad():
        probabilities = model(image).softmax(1)[0]
    best = int(probabilities.argmax())
    return {
        "epsilon": eps,
        "predicted": dataset.classes[best],
        "probability": float(probabilities[best]),
        "change": float((image - clean).abs().max()),
        "image": png(image[0]),
    }


MEASURE = measure_gallery
