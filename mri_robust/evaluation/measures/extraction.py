"""Copies of a model, trained on its answers: how often they agree with it, and how often they are right."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mri_robust.adapters.art_extraction import steal
from mri_robust.attacks.registry import PRIVACY
from mri_robust.core.eval_mode import device_of, eval_mode
from mri_robust.core.progress import OnImages
from mri_robust.core.rng import derive_seed, make_generator
from mri_robust.data.dataset import Dataset, load_dataset
from mri_robust.evaluation.class_report import figure
from mri_robust.evaluation.prediction import predicted_classes
from mri_robust.evaluation.rates import share
from mri_robust.evaluation.subject import Subject
from mri_robust.evaluation.subsets import subsets
from mri_robust.models.classifier import Classifier, build_model

PHANTOMS = "phantom:train={count},test=8,seed=1609"
"""Synthetic slices that an attacker draws; the seed is no data set's."""


def measure_extraction(
    parameters: Mapping[str, Any], subject: Subject, on_step: OnImages | None = None
) -> dict[str, Any]:
    """Steal the model by every theft and compare it with its copies on the test images.

    Args:
        parameters: `thefts`, each `by` (`art`, `own code`, `nobody` for an untrained copy, `owner` for the model
            itself), and for the first two `attack` (a privacy attack) and `defence` (see `adapters.art_extraction`);
            `architecture` of the copies, `leak_free`, `seed`.
        subject: the model and its data.
        on_step: called with thefts done and thefts in all.

    Returns:
        `rows`: for each theft `fidelity`, the share of test images on which copy and model agree, and the copy's
        `accuracy`; `right_answers`, the share of queries whose answer names the model's class; of own code also
        `fidelity_gap`, its fidelity less that of the same theft by ART.
    """
    scene = _Scene(parameters, subject)
    rows, fidelities = [], {}
    for number, theft in enumerate(parameters["thefts"], start=1):
        copy, answers = scene.steal(theft)
        found = scene.compare(copy)
        name = (theft["by"], repr(theft.get("attack")), theft.get("defence"))
        fidelities[name] = found[0]["value"]
        found += [share(answers, "right_answers")] if answers is not None else []
        if theft["by"] == "own code":
            found.append(figure("fidelity_gap", found[0]["value"] - fidelities["art", *name[1:]]))
        rows.append(found)
        if on_step:
            on_step(number, len(parameters["thefts"]))
    return {"rows": rows}


class _Scene:
    """The victim, what it is asked, and what its copies are compared on."""

    def __init__(self, parameters: Mapping[str, Any], subject: Subject) -> None:
        self.parameters = parameters
        self.victim: nn.Module = subject.model
        self.dataset: Dataset = subject.dataset
        self.precision = subject.precision

    @cached_property
    def truth(self) -> np.ndarray:
        """What the victim says of the test images."""
        return predicted_classes(self.victim, self.dataset.test.images)

    def steal(self, theft: Mapping[str, Any]) -> tuple[nn.Module, np.ndarray | None]:
        """The copy, and of each query whether the answer names the victim's class."""
        if theft["by"] == "owner":
            return self.victim, None
        thief = _Thief(self._first_weights(), self.precision)
        if theft["by"] == "nobody":
            return thief.copy, None
        attack, seed = theft["attack"].build(PRIVACY), self.parameters["seed"]
        queries = attack.draw(self._pool(attack.queries, attack.budget), make_generator(seed, attack.queries))
        if theft["by"] == "art":
            seed = derive_seed(seed, "art")
            asked, answers = steal(attack, self.victim, thief, queries, defence=theft["defence"], seed=seed)
        else:
            asked, answers = attack(self._answer, thief, queries, generator=make_generator(seed, "own code"))
        return thief.copy, predicted_classes(self.victim, asked) == answers.argmax(1).numpy()

    def compare(self, copy: nn.Module) -> list[dict[str, Any]]:
        """Fidelity of a copy, and its accuracy, over all test images and those without a twin in training."""
        said, labels = predicted_classes(copy, self.dataset.test.images), self.dataset.test.labels
        rows = []
        for name, kept in subsets(self.dataset, self.parameters["leak_free"]).items():
            rows += [share((said == self.truth)[kept], "fidelity", name)] if copy is not self.victim else []
            rows += [share((said == labels)[kept], "accuracy", name)]
        return rows

    def _answer(self, images: Tensor) -> Tensor:
        with eval_mode(self.victim), torch.no_grad():
            return self.victim(images).softmax(1)

    def _pool(self, queries: str, count: int) -> np.ndarray:
        if queries != "phantom":
            return self.dataset.train.images
        source, channels = PHANTOMS.format(count=count), self.dataset.channels
        return load_dataset(source, size=self.dataset.size, channels=channels).train.images

    def _first_weights(self) -> Classifier:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive_seed(self.parameters["seed"], "thief"))
            model = build_model(
                self.parameters["architecture"],
                classes=self.dataset.classes,
                image_size=self.dataset.size,
                channels=self.dataset.channels,
            )
        return model.to(device_of(self.victim)).to(memory_format=torch.channels_last)


class _Thief(nn.Module):
    """Trains a copy in a number format; the copy itself is compared in float32."""

    def __init__(self, copy: Classifier, precision: str) -> None:
        super().__init__()
        self.copy = copy
        self.autocast = precision == "bf16"

    def forward(self, images: Tensor) -> Tensor:
        with torch.autocast(images.device.type, torch.bfloat16, enabled=self.autocast):
            logits = self.copy(images)
        return logits.float()


MEASURE = measure_extraction
