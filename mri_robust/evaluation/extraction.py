"""Copies of a model, trained on its answers: how often they agree with it, and how often they are right."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mri_robust.adapters.art_privacy import steal
from mri_robust.attacks.privacy.extraction import Extraction
from mri_robust.core.eval_mode import device_of, eval_mode
from mri_robust.core.rng import derive_seed, make_generator
from mri_robust.data.dataset import Dataset, load_dataset
from mri_robust.evaluation.evaluation import Context, Evaluation, predicted_classes
from mri_robust.evaluation.rows import Row, figure, share, shares
from mri_robust.models.classifier import Classifier, build_model

PHANTOMS = "phantom:train={count},test=8,seed=1609"
"""Synthetic slices that an attacker draws; the seed is no data set's."""
THIEF = "cnn"
"""The copies' architecture: the victim's own for the CNN, another for the ResNet, which the attacker does not know."""


@dataclass(frozen=True)
class Theft:
    """One way to a copy."""

    thief: str  # `ART`, `own code`, or for the controls `untrained copy` and `the model itself`
    attack: Extraction | None = None  # what is asked, and how the copy is trained; None for the controls
    answers: str = ""  # what is done to the victim's answers, see `adapters.art_privacy.DEFENCES`; empty for nothing

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
    """

    thefts: tuple[Theft, ...]  # in table order

    def __call__(self, context: Context) -> Iterator[Row]:
        """The rows of each theft."""
        victim, test = context.model, context.dataset.test
        answered = predicted_classes(victim, test.images)
        fidelities: dict[Theft, float] = {}
        for theft in context.steps(self.thefts):
            copy, right = stolen(theft, context, self.seed)
            said, data = predicted_classes(copy, test.images), (context.dataset, self.leak_free)
            fidelities[theft] = float((said == answered).mean())
            if copy is not victim:
                yield from shares(said == answered, "fidelity", *data, **theft.factors)
            yield from shares(said == test.labels, "accuracy", *data, **theft.factors)
            if right is not None:
                yield share(right, "right_answers", **theft.factors)
            if theft.thief == "own code":
                by_art = fidelities[Theft("ART", theft.attack, theft.answers)]
                yield figure("fidelity_gap", fidelities[theft] - by_art, **theft.factors)


def stolen(theft: Theft, context: Context, seed: int) -> tuple[nn.Module, np.ndarray | None]:
    """The copy of the context's model, on its device, and of each query whether the answer names the model's class,
    bool [B], None where nothing was asked. `seed` is of all that is drawn."""
    victim, attack = context.model, theft.attack
    if theft.thief == "the model itself":
        return victim, None
    thief = _Thief(_first_weights(context, seed), context.precision)
    if attack is None:
        return thief.copy, None
    queries = attack.draw(_pool(attack, context.dataset), make_generator(seed, attack.queries))
    if theft.thief == "ART":
        seed = derive_seed(seed, "art")
        asked, answers = steal(attack, victim, thief, queries, defence=theft.answers, seed=seed)
    else:
        generator = make_generator(seed, "own code")
        with eval_mode(victim):
            asked, answers = attack(lambda images: victim(images).softmax(1), thief, queries, generator=generator)
    return thief.copy, predicted_classes(victim, asked) == answers.argmax(1).numpy()


def _first_weights(context: Context, seed: int) -> Classifier:
    dataset = context.dataset
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, "thief"))
        model = build_model(THIEF, classes=dataset.classes, image_size=dataset.size, channels=dataset.channels)
    return model.to(device_of(context.model)).to(memory_format=torch.channels_last)


def _pool(attack: Extraction, dataset: Dataset) -> np.ndarray:
    """The images to draw queries from."""
    if attack.queries != "phantom":
        return dataset.train.images
    source = PHANTOMS.format(count=attack.budget)
    return load_dataset(source, size=dataset.size, channels=dataset.channels).train.images


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
