"""What every kind of evaluation is: a frozen value that is called with a context and yields rows. And predictions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import KW_ONLY, dataclass, field, fields
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from mri_robust.attacks.evasion.epsilon_sweep import BATCH
from mri_robust.core.eval_mode import device_of, eval_mode
from mri_robust.core.progress import OnImages, silent
from mri_robust.core.rng import make_generator
from mri_robust.core.validation import to_unit_range
from mri_robust.data.dataset import Dataset
from mri_robust.evaluation.rows import Row
from mri_robust.study.recipe import External, Model
from mri_robust.study.results_folder import Result

Item = TypeVar("Item")
CODE_VERSION = 4
"""Raised when the code of training or measuring changes what it gives for the same inputs."""


@dataclass(frozen=True)
class Finding:
    """The verdict of a check on a model or on what was measured; an evaluation leaves them as artefact `findings`."""

    check: str  # its name
    tripped: bool  # the robust accuracy is not to be trusted as it stands
    figure: float  # the number behind the verdict
    message: str  # one line: what was found, with the figure, and, when tripped, what that means


@dataclass
class Context:
    """What an evaluation is called with, and where it leaves its pictures and curves."""

    model: Any  # the module, or a `Snooper`, on its device; left as it was
    dataset: Dataset  # at the model's size
    asked: Model = field(default_factory=lambda: External("model"))  # its recipe, or what the user's own was asked by
    history: list[dict[str, Any]] = field(default_factory=list)  # the record of its training, one entry per epoch
    open_model: Callable[[Model], Any] | None = None  # gives a further model, trained where it is a recipe's
    precision: str = "fp32"  # number format of trainings that belong to the evaluation, `bf16` or `fp32`
    on_step: OnImages = silent  # called with steps done and steps in all
    artefacts: dict[str, Any] = field(default_factory=dict)  # what the evaluation leaves, name -> plain data

    def steps(self, items: Collection[Item]) -> Iterator[Item]:
        """The items one by one; each is reported as done when the next is asked for."""
        for number, item in enumerate(items, start=1):
            yield item
            self.on_step(number, len(items))

    def get(self, model: Model) -> Any:
        """A further model, trained if need be; ValueError where this context can open none."""
        if self.open_model is None:
            raise ValueError(f"this evaluation also needs the model '{model.model}': give open_model")
        return self.open_model(model)


@dataclass(frozen=True)
class Evaluation(ABC):
    """A question to a model. Its fields decide its rows, so that it is the key under which they are stored."""

    _: KW_ONLY
    seed: int = 0  # of everything drawn
    leak_free: bool = False  # also count without the test images that stand in the training set

    @abstractmethod
    def __call__(self, context: Context) -> Iterable[Row]:
        """Measure, and yield one row per number; pictures go to `context.artefacts`."""

    def generator(self, *names: str | int) -> torch.Generator:
        """The CPU generator for the use that `names` describe."""
        return make_generator(self.seed, *names)

    def split(self, images: int, dataset: Dataset) -> tuple[Evaluation, ...]:
        """Evaluations of at most `images` images each, whose results `merge` takes; empty for one that stays whole."""
        return ()

    def merge(self, parts: Sequence[Result], context: Context) -> Iterable[Row]:
        """The rows of the whole, from the results of its parts in order."""
        raise NotImplementedError(f"{type(self).__name__} cannot be divided")

    def further_models(self) -> Iterator[Model]:
        """The models among its fields, alone or in a tuple, that it needs beside the one it is asked about."""
        for each in fields(self):
            value = getattr(self, each.name)
            yield from (one for one in (value if isinstance(value, tuple) else (value,)) if isinstance(one, Model))


def measure(evaluation: Evaluation, context: Context, parts: Sequence[Result] = ()) -> Result:
    """The rows of an evaluation and what it left in the context, as plain data."""
    rows = list(evaluation.merge(parts, context) if parts else evaluation(context))
    return {"rows": rows, "artefacts": context.artefacts}


def logits_of(model: nn.Module, images: np.ndarray | Tensor) -> Tensor:
    """float32 [N, K] on the CPU; the model is run in eval mode on the device it is on, and left as it was.

    `images` are uint8 or float32 in [0, 1], [N, C, H, W], N at least 1.
    """
    device, found = device_of(model), []
    with eval_mode(model), torch.no_grad():
        for begin in range(0, len(images), BATCH):
            found.append(model(to_unit_range(images[begin : begin + BATCH]).to(device)).float().cpu())
        return torch.cat(found)


def probabilities(model: nn.Module, images: np.ndarray | Tensor) -> Tensor:
    """float32 [N, K] on the CPU: the probability of each class; arguments as `logits_of`."""
    return logits_of(model, images).softmax(1)


def predicted_classes(model: nn.Module, images: np.ndarray | Tensor) -> np.ndarray:
    """int64 [N]: the class of greatest logit; arguments as `logits_of`."""
    return logits_of(model, images).argmax(1).numpy()
