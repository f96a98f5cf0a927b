"""Copies of a model, trained on its answers: how often they agree with it, and how often they are right."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mri_robust.adapters.art_privacy import steal
from mri_robust.attacks.privacy.extraction import Extraction
from mri_robust.core.eval_mode import device_of, eval_mode
from mri_robust.core.rng import derive_seed
from mri_robust.data.dataset import Dataset, load_dataset
from mri_robust.evaluation.evaluation import Context, Evaluation
from mri_robust.evaluation.prediction import predicted_classes
from mri_robust.evaluation.rows import Row, figure, share, subsets
from mri_robust.models.classifier import Classifier, build_model

PHANTOMS = "phantom:train={count},test=8,seed=1609"
"""Synthetic slices that an attacker draws; the seed is no data set's."""
THIEF = "cnn"
"""The copies' architecture: the victim's own for the CNN, another for the ResNet, which the attacker does not know."""


@dataclass(frozen=True)
class Theft:
    """One way to a copy.

    Attributes:
        thief: `ART`, `own code`, or for the controls `untrained copy` and `the model itself`.
        attack: what is asked, and how the copy is trained; None for the controls.
        answers: what is done to the victim's answers, see `adapters.art_extraction.DEFENCES`; empty for nothing.
    """

    thief: str
    attack: Extraction | None = None
    answers: str = ""

    @property
    def factors(self) -> dict[str, Any]:
        """Its columns."""
        if self.attack is None:
            return {"attack": "none", "thief": self.thief}
        name = "Copycat CNN" if self.attack.labels_only else "Knockoff Nets"
        asked = {"queries": self.attack.queries, "budget": self.attack.budget, "answers": self.answers}
        return {"attack": name, "thief": self.thief, **asked}


@dataclass(frozen=True)
class ExtractionTest(Evaluation):
    """Steal the model by every theft and compare it with its copies on the test images.

    For each theft `fidelity`, the share of test images on which copy and model agree, and the copy's `accuracy`;
    `right_answers`, the share of queries whose answer names the model's class; of own code also `fidelity_gap`, its
    fidelity less that of the same theft by ART.

    Attributes:
        thefts: in table order.
    """

    thefts: tuple[Theft, ...]

    def __call__(self, context: Context) -> Iterator[Row]:
        """The rows of each theft."""
        scene = _Scene(context, self)
        fidelities: dict[Theft, float] = {}
        for number, theft in enumerate(self.thefts, start=1):
            copy, answers = scene.steal(theft)
            rows = list(scene.compare(copy, **theft.factors))
            yield from rows
            fidelities[theft] = rows[0]["value"]
            if answers is not None:
                yield share(answers, "right_answers", **theft.factors)
            if theft.thief == "own code":
                by_art = fidelities[Theft("ART", theft.attack, theft.answers)]
                yield figure("fidelity_gap", fidelities[theft] - by_art, **theft.factors)
            context.on_step(number, len(self.thefts))


class _Scene:
    """The victim, what it is asked, and what its copies are compared on."""

    def __init__(self, context: Context, asked: ExtractionTest) -> None:
        self.asked = asked
        self.victim: nn.Module = context.model
        self.dataset: Dataset = context.dataset
        self.precision = context.precision

    @cached_property
    def truth(self) -> np.ndarray:
        """What the victim says of the test images."""
        return predicted_classes(self.victim, self.dataset.test.images)

    def steal(self, theft: Theft) -> tuple[nn.Module, np.ndarray | None]:
        """The copy, and of each query whether the answer names the victim's class."""
        if theft.thief == "the model itself":
            return self.victim, None
        thief = _Thief(self._first_weights(), self.precision)
        attack = theft.attack
        if attack is None:
            return thief.copy, None
        queries = attack.draw(self._pool(attack.queries, attack.budget), self.asked.generator(attack.queries))
        if theft.thief == "ART":
            seed = derive_seed(self.asked.seed, "art")
            asked, answers = steal(attack, self.victim, thief, queries, defence=theft.answers, seed=seed)
        else:
            asked, answers = attack(self._answer, thief, queries, generator=self.asked.generator("own code"))
        return thief.copy, predicted_classes(self.victim, asked) == answers.argmax(1).numpy()

    def compare(self, copy: nn.Module, **factors: Any) -> Iterator[Row]:
        """Fidelity of a copy, and its accuracy, over all test images and those without a duplicate in training."""
        said, labels = predicted_classes(copy, self.dataset.test.images), self.dataset.test.labels
        for subset, kept in subsets(self.dataset, self.asked.leak_free).items():
            if copy is not self.victim:
                yield share((said == self.truth)[kept], "fidelity", subset, **factors)
            yield share((said == labels)[kept], "accuracy", subset, **factors)

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
            torch.manual_seed(derive_seed(self.asked.seed, "thief"))
            model = build_model(
                THIEF,
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
