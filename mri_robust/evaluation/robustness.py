"""Accuracy under attack: of each attack by itself, and in the worst case. Tables 3 and 4, and everybody's own model."""

import re
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mri_robust.adapters import torchattacks
from mri_robust.attacks.evasion.apgd import APGD, LEAST_CLASSES
from mri_robust.attacks.evasion.epsilon_sweep import BATCH, Craft, Part, attacked_predictions, run_attack
from mri_robust.attacks.evasion.pgd import PGD
from mri_robust.attacks.evasion.strongest import Make, worst_case
from mri_robust.core.eval_mode import device_of, eval_mode
from mri_robust.core.machine import resolve_precision
from mri_robust.core.progress import OnImages, silent
from mri_robust.core.validation import check_choice
from mri_robust.data.dataset import Dataset
from mri_robust.evaluation.evaluation import Context, Evaluation
from mri_robust.evaluation.rows import Row, choose_images, rates, subsets
from mri_robust.models.folded import attack_copy
from mri_robust.study.config import ENGINES
from mri_robust.study.epsilon import Norm
from mri_robust.study.results_folder import Result
from mri_robust.training import to_unit_range

CHUNK = 512
"""Images that are float32 in memory at a time: whole batches, so that chunks do not change a number."""
PROBE = 2
"""Images on which a faster copy of the model has to give the same logits."""
WORST_CASE = "worst-case"
Survivors = tuple[str, Callable[[int, Norm], Make]]
"""The name of a stage, and number of classes, norm -> how to make its attack of one size."""


def apgd(steps: int) -> Survivors:
    """APGD by cross entropy."""
    return "apgd", lambda classes, norm: partial(APGD, steps=steps, norm=norm)


def apgd_targeted(steps: int) -> Survivors:
    """APGD at every wrong class, by targeted DLR or, where that is not defined, by the difference of logits."""

    def make(classes: int, norm: Norm) -> Make:
        enough = classes >= LEAST_CLASSES["dlr", True]
        return partial(APGD, steps=steps, norm=norm, targets=classes - 1, loss="dlr" if enough else "margin")

    return "apgdt", make


def library(name: str, **options: Any) -> Survivors:
    """An attack of torchattacks."""
    make = partial(torchattacks.LibraryAttack, name, options=tuple(options.items()))
    return name.lower(), lambda classes, norm: partial(make, norm=norm)


SURVIVOR_ATTACKS: dict[str, tuple[Survivors, ...]] = {
    "pgd": (),
    "quick": (apgd(20),),
    "standard": (apgd(50), apgd_targeted(50), library("Square", n_queries=1000)),
}
"""Budget -> what follows PGD: Croce and Hein (arXiv 2003.01690), Andriushchenko et al. (arXiv 1912.00049)."""


class _ImageByImage(Evaluation):
    """Asks about the first `images` of the shuffled test images, in parts where there are many."""

    images: int
    span: tuple[int, int] | None  # (first, one after the last) of the images that a part takes; None for all

    @abstractmethod
    def find(self, context: Context, **where: Any) -> np.ndarray:
        """int [..., N]: what is found of each image; `where` says which, see `predict_attacked`."""

    @abstractmethod
    def rows(self, context: Context, found: np.ndarray, chosen: np.ndarray) -> Iterator[Row]:
        """The rows of what was found of all images, which stand at `chosen` of the test set."""

    def __call__(self, context: Context) -> Iterator[Row]:
        """The rows; a part yields none and leaves what it found."""
        chosen = choose_images(len(context.dataset.test), self.images)
        begin, end = self.span or (0, len(chosen))
        where = {"places": chosen[begin:end], "first": begin, "on_image": context.on_step, "seed": self.seed}
        found = self.find(context, **where)
        if self.span is None:
            yield from self.rows(context, found, chosen)
        else:
            context.artefacts["found"] = found.tolist()

    def split(self, images: int, dataset: Dataset) -> tuple[Evaluation, ...]:
        """Parts of at most so many images."""
        count = len(choose_images(len(dataset.test), self.images))
        spans = [(begin, min(begin + images, count)) for begin in range(0, count, images)]
        return tuple(replace(self, span=span) for span in spans) if len(spans) > 1 else ()  # type: ignore[call-arg]

    def merge(self, parts: Sequence[Result], context: Context) -> Iterator[Row]:
        """The rows of the whole."""
        found = np.concatenate([part["artefacts"]["found"] for part in parts], axis=-1)
        yield from self.rows(context, found, choose_images(len(context.dataset.test), self.images))

    def count(self, context: Context, predicted: np.ndarray, chosen: np.ndarray, **factors: Any) -> Iterator[Row]:
        """The rates over each subset; the overall accuracy also holds every image's verdict."""
        dataset, labels = context.dataset, context.dataset.test.labels[chosen]
        for subset, kept in subsets(dataset, self.leak_free, chosen).items():
            for row in rates(labels[kept], predicted[kept], dataset, subset, **factors):
                if subset == "all" and row["metric"] == "accuracy":
                    row["right"] = "".join("01"[int(hit)] for hit in predicted == labels)
                yield row


@dataclass(frozen=True)
class UnderAttack(_ImageByImage):
    """Accuracy under each of several attacks by itself, with missed tumours and the recall of each class."""

    attacks: tuple[Any, ...]  # native attacks; None for the clean images
    images: int
    engine: str = "native"  # whose code crafts, `native`, `art` or `torchattacks`
    each_member: bool = False  # every member of an ensemble gets its own image: fault `own-image-per-member`
    span: tuple[int, int] | None = None

    def find(self, context: Context, **where: Any) -> np.ndarray:
        """int64 [attacks, N]: predicted classes."""
        test = context.dataset.test
        how = {"each_member": self.each_member, "craft": load_engine(self.engine), **where}
        return predict_attacked(context.model, test.images, test.labels, self.attacks, **how)

    def rows(self, context: Context, found: np.ndarray, chosen: np.ndarray) -> Iterator[Row]:
        """The rates under every attack."""
        for attack, predicted in zip(self.attacks, found, strict=True):
            yield from self.count(context, predicted, chosen, **_factors(attack, self.engine))


@dataclass(frozen=True)
class WorstCase(_ImageByImage):
    """Accuracy in the worst case over rising epsilons: PGD with restarts, then stronger attacks on what it leaves.

    An image counts as fooled at an epsilon when it is wrong clean, or when any iterate of any attack at that epsilon or
    at a smaller one fools it.
    """

    epsilons: tuple[float, ...]  # radii in the `norm`, rising
    images: int
    steps: int = 40  # of PGD, each a quarter of epsilon
    restarts: int = 5
    budget: str = "standard"  # which of `SURVIVOR_ATTACKS` follow
    norm: Norm = "linf"
    span: tuple[int, int] | None = None

    def stages(self, classes: int) -> list[tuple[str, Make]]:
        """(name, how to make the attack of one size), in order."""
        first = partial(PGD, steps=self.steps, restarts=self.restarts, norm=self.norm)
        stages: list[tuple[str, Make]] = [("pgd", first)]
        stages += [(name, make(classes, self.norm)) for name, make in SURVIVOR_ATTACKS[self.budget]]
        return stages

    def find(self, context: Context, **where: Any) -> np.ndarray:
        """See `find_worst`."""
        test = context.dataset.test
        stages = [make for _, make in self.stages(len(context.dataset.classes))]
        return find_worst(context.model, test.images, test.labels, self.epsilons, stages, **where)

    def rows(self, context: Context, found: np.ndarray, chosen: np.ndarray) -> Iterator[Row]:
        """The rates of the clean images, then after the first stage and after the last at every epsilon."""
        dataset, labels = context.dataset, context.dataset.test.labels[chosen]
        stages = self.stages(len(dataset.classes))
        names = [name for name, _ in stages]
        index, called = found[-1]
        yield from self.count(context, np.where(index < 0, called, labels), chosen, **_factors(None))
        for place, eps in enumerate(self.epsilons):
            factors = _factors(stages[0][1](eps)) | {"attack": WORST_CASE}
            for stage in sorted({0, len(names) - 1}):
                predicted = np.where(found[stage, 0] <= place, found[stage, 1], labels)
                yield from self.count(context, predicted, chosen, **factors, after=names[stage])
        smallest = np.array([0.0, *self.epsilons, np.inf])[index + 1]
        context.artefacts["smallest_epsilon"] = {
            "files": [dataset.test.names[place] for place in chosen],
            "labels": [dataset.classes[label] for label in labels],
            "epsilon": [None if np.isinf(eps) else eps for eps in smallest.tolist()],
        }


def predict_attacked(
    model: nn.Module, images: Any, labels: Any, attacks: Sequence[Any], *, each_member: bool = False, **where: Any
) -> np.ndarray:
    """`attacked_predictions`, in chunks, whose gradients come from a faster copy: int64 [attacks, N].

    `images` and `labels` are arrays or tensors, uint8 or float32 [M, C, H, W] and integers [M]; `where` holds `places`,
    the N that are asked about, `first`, where the first of them stands among all that are, `seed`, `craft` and
    `on_image`. The model is left as it was. With `each_member` every member of an ensemble sees its own image.
    """
    ask = _member_predictions if each_member else attacked_predictions
    return _in_chunks(partial(ask, attacks=attacks), model, images, labels, **where)


def _member_predictions(
    ensemble: Any, part: Part, attacks: Sequence[Any], *, craft: Craft | None = None, seed: int = 0, **_: Any
) -> Tensor:
    found = []
    for batch in map(part.at, torch.arange(len(part.labels)).split(BATCH)):
        called = []
        for attack in attacks:
            run = partial(run_attack, part=batch, attack=attack, seed=seed, craft=craft)
            seen = [(each, run(each) if attack else batch.images) for each in ensemble.members]
            with torch.no_grad():
                called.append(ensemble.combine([member(images) for member, images in seen]).argmax(1))
        found.append(torch.stack(called).cpu())
    return torch.cat(found, dim=1)


def find_worst(
    model: nn.Module,
    images: Any,
    labels: Any,
    epsilons: Sequence[float],
    stages: Sequence[Make],
    *,
    precision: str = "fp32",
    **where: Any,
) -> np.ndarray:
    """`worst_case`, in chunks, with a faster copy: int64 [stages, 2, N], `Fooled.index` and `Fooled.predicted`.

    `precision` is `fp32`, `bf16` or `auto`; for what else there is see `predict_attacked` and `worst_case`.
    """
    number_format = resolve_precision(precision, device_of(model))

    def found(model: nn.Module, part: Part, **how: Any) -> Tensor:
        after = worst_case(model, part, epsilons, stages, precision=number_format, **how)
        return torch.stack([torch.stack([*each]) for each in after])

    return _in_chunks(found, model, images, labels, **where)


def _in_chunks(
    ask: Callable[..., Tensor],
    model: nn.Module,
    images: Any,
    labels: Any,
    *,
    places: range | np.ndarray,
    first: int = 0,
    on_image: OnImages | None = None,
    **how: Any,
) -> np.ndarray:
    """What `ask` says of the images at `places`, [..., N], some at a time: they are float32 on the device only then."""
    device, told, found = device_of(model), on_image or silent, []
    with eval_mode(model):
        proposer: nn.Module | None = None
        for begin in range(0, len(places), CHUNK):
            some = np.asarray(places[begin : begin + CHUNK])
            pixels, truth = (torch.as_tensor(np.asarray(values[some])) for values in (images, labels))
            part = Part.of(to_unit_range(pixels).to(device), truth.long().to(device), first + begin)
            proposer = proposer or attack_copy(model, part.images[:PROBE])
            where = {"proposer": proposer, "on_image": lambda done, _, before=begin: told(before + done, len(places))}
            found.append(ask(model, part, **where, **how))
    return torch.cat(found, dim=-1).numpy()


def load_engine(name: str) -> Craft | None:
    """Whose code runs a native attack; None for its own. ValueError where there is no such engine."""
    check_choice("engine", name, ENGINES)
    if name == "art":
        from mri_robust.adapters import art  # which takes a second to import

        return art.craft
    return torchattacks.craft if name == "torchattacks" else None


def name_of(attack: Any) -> str:
    """What rows call an attack: its class in lower case, words joined by hyphens; `none` for the clean images."""
    if attack is None:
        return "none"
    name = getattr(attack, "__name__", type(attack).__name__)
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", name).lower()


def _factors(attack: Any, engine: str = "native") -> Row:
    """What of an attack stands in columns of its own."""
    columns = {"alpha": "step_size", "steps": "steps", "restarts": "restarts"}
    return {
        "attack": name_of(attack),
        "engine": engine,
        "epsilon": getattr(attack, "eps", 0.0),
        **{column: getattr(attack, name, None) for column, name in columns.items()},
        "norm": None if attack is None else getattr(attack, "norm", "linf"),
    }
