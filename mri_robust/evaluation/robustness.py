"""Accuracy under attack: of each attack by itself, and in the worst case. Tables 3 and 4, and everybody's own model."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import nn

from mri_robust.adapters.torchattacks import LibraryAttack
from mri_robust.attacks.evasion.epsilon_sweep import BATCH, Craft, Fooled, Part, attacked_predictions, run_attack
from mri_robust.attacks.evasion.pgd import PGD
from mri_robust.attacks.evasion.strongest import Make, worst_case
from mri_robust.core.eval_mode import device_of, eval_mode
from mri_robust.core.machine import resolve_precision
from mri_robust.core.progress import OnImages
from mri_robust.core.validation import check_choice
from mri_robust.data.dataset import Dataset
from mri_robust.evaluation.evaluation import Context, Evaluation
from mri_robust.evaluation.rows import Row, choose_images, rates, subsets
from mri_robust.models.folded import attack_copy
from mri_robust.study.config import ENGINES
from mri_robust.study.results_folder import Result
from mri_robust.training import to_unit_range

CHUNK = 512
"""Images that are float32 in memory at a time: whole batches, so that chunks do not change a number."""
PROBE = 2
"""Images on which a faster copy of the model has to give the same logits."""
WORST_CASE = "worst-case"
DLR_CLASSES = 4
"""Fewest classes for which the loss of targeted APGD is defined; with fewer, that attack is left out."""
SURVIVOR_ATTACKS = (("APGD", (("steps", 50),)), ("APGDT", (("steps", 50),)), ("Square", (("n_queries", 1000),)))
"""Of torchattacks, with their budgets: Croce and Hein (arXiv 2003.01690), Andriushchenko et al. (arXiv 1912.00049)."""


def name_of(attack: Any) -> str:
    """What rows call an attack: its class in lower case, words joined by hyphens; `none` for the clean images."""
    if attack is None:
        return "none"
    name = getattr(attack, "__name__", type(attack).__name__)
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", name).lower()


@dataclass(frozen=True)
class UnderAttack(Evaluation):
    """Accuracy under each of several attacks by itself, with missed tumours and the recall of each class.

    Attributes:
        attacks: native attacks; None for the clean images.
        images: how many of the shuffled test images.
        engine: whose code crafts, `native`, `art` or `torchattacks`.
        each_member: feed every member of an ensemble its own adversarial image: fault `own-image-per-member`.
        span: (first, one after the last) of the images that a part takes; None for all.
    """

    attacks: tuple[Any, ...]
    images: int
    engine: str = "native"
    each_member: bool = False
    span: tuple[int, int] | None = None

    def __call__(self, context: Context) -> Iterator[Row]:
        """The rows of every attack; a part yields none and leaves its predictions."""
        predicted = self._predict(context)
        if self.span is not None:
            context.artefacts["predicted"] = predicted.tolist()
            return
        yield from self._rows(context, predicted)

    def split(self, images: int, dataset: Dataset) -> tuple[UnderAttack, ...]:
        """Parts of at most so many images."""
        return _parts(self, images, dataset)

    def merge(self, parts: Sequence[Result], context: Context) -> Iterator[Row]:
        """The rows of the whole."""
        yield from self._rows(context, np.concatenate([part["artefacts"]["predicted"] for part in parts], axis=1))

    def _predict(self, context: Context) -> np.ndarray:
        """int64 [attacks, N]: predicted classes of the images of this part."""
        test = context.dataset.test
        chosen = choose_images(len(test), self.images)
        begin, end = self.span or (0, len(chosen))
        places = chosen[begin:end]
        if self.each_member:
            return self._of_members(context.model, test.images[places], test.labels[places], begin)
        return predict_attacked(
            context.model,
            test.images,
            test.labels,
            self.attacks,
            places=places,
            craft=load_engine(self.engine),
            seed=self.seed,
            first=begin,
            on_image=context.on_step,
        )

    def _of_members(self, ensemble: Any, images: np.ndarray, labels: np.ndarray, first: int) -> np.ndarray:
        """Predictions of an ensemble each of whose members sees its own adversarial image."""
        found, craft = [], load_engine(self.engine)
        with eval_mode(ensemble):
            for whole in _chunks(ensemble, images, labels, range(len(labels)), first):
                for rows in torch.arange(len(whole.labels)).split(BATCH):
                    batch, called = whole.at(rows), []
                    for attack in self.attacks:
                        logits = []
                        for member in ensemble.members:
                            own = (
                                run_attack(member, batch, attack, seed=self.seed, craft=craft)
                                if attack
                                else batch.images
                            )
                            with torch.no_grad():
                                logits.append(member(own))
                        called.append(ensemble.combine(logits).argmax(1))
                    found.append(torch.stack(called).cpu())
        return torch.cat(found, dim=1).numpy()

    def _rows(self, context: Context, predicted: np.ndarray) -> Iterator[Row]:
        dataset = context.dataset
        chosen = choose_images(len(dataset.test), self.images)
        labels, masks = dataset.test.labels[chosen], subsets(dataset, self.leak_free, chosen)
        for attack, called in zip(self.attacks, predicted, strict=True):
            yield from counted(labels, called, dataset, masks, **_factors(attack, self.engine))


@dataclass(frozen=True)
class WorstCase(Evaluation):
    """Accuracy in the worst case over rising epsilons: PGD with restarts, then stronger attacks on what it leaves.

    An image counts as fooled at an epsilon when it is wrong clean, or when any iterate of any attack at that epsilon or
    at a smaller one fools it.

    Attributes:
        epsilons: L-inf radii in pixels, rising.
        images: how many of the shuffled test images.
        steps, restarts: of PGD, whose step is a quarter of epsilon.
        strong: also run `SURVIVOR_ATTACKS` on the survivors.
        precision: `bf16` to craft in half precision first; `auto` where the processor is fast at it.
        span: see `UnderAttack`.
    """

    epsilons: tuple[float, ...]
    images: int
    steps: int = 40
    restarts: int = 5
    strong: bool = True
    precision: str = "auto"
    span: tuple[int, int] | None = None

    def __call__(self, context: Context) -> Iterator[Row]:
        """The rows at every epsilon, the clean images first; a part yields none and leaves where images are fooled."""
        test = context.dataset.test
        chosen = choose_images(len(test), self.images)
        begin, end = self.span or (0, len(chosen))
        found = find_worst(
            context.model,
            test.images,
            test.labels,
            self.epsilons,
            [make for _, make in self.stages(len(context.dataset.classes))],
            places=chosen[begin:end],
            precision=self.precision,
            seed=self.seed,
            first=begin,
            on_image=context.on_step,
        )
        stacked = [[part.tolist() for part in stage] for stage in found]
        if self.span is not None:
            context.artefacts["fooled"] = stacked
            return
        yield from self._rows(context, stacked)

    def split(self, images: int, dataset: Dataset) -> tuple[WorstCase, ...]:
        """Parts of at most so many images."""
        return _parts(self, images, dataset)

    def merge(self, parts: Sequence[Result], context: Context) -> Iterator[Row]:
        """The rows of the whole."""
        found = [part["artefacts"]["fooled"] for part in parts]
        stages = zip(*found, strict=True)
        joined = [[np.concatenate(part).tolist() for part in zip(*stage, strict=True)] for stage in stages]
        yield from self._rows(context, joined)

    def stages(self, classes: int) -> list[tuple[str, Make]]:
        """(name, how to make the attack of one size), in order."""
        stages: list[tuple[str, Make]] = [("pgd", partial(PGD, steps=self.steps, restarts=self.restarts))]
        for name, options in SURVIVOR_ATTACKS if self.strong else ():
            if name != "APGDT" or classes >= DLR_CLASSES:
                stages.append((name.lower(), partial(LibraryAttack, name, options=options)))
        return stages

    def _rows(self, context: Context, found: Sequence[Sequence[Sequence[int]]]) -> Iterator[Row]:
        """Rows after the first stage and after the last."""
        dataset = context.dataset
        chosen = choose_images(len(dataset.test), self.images)
        labels, masks = dataset.test.labels[chosen], subsets(dataset, self.leak_free, chosen)
        names = [name for name, _ in self.stages(len(dataset.classes))]
        common = {"steps": self.steps, "restarts": self.restarts, "norm": "linf"}
        index, called = (np.array(part) for part in found[-1])
        clean = np.where(index < 0, called, labels)
        yield from counted(labels, clean, dataset, masks, **_factors(None, "native"))
        for place, eps in enumerate(self.epsilons):
            for stage in sorted({0, len(names) - 1}):
                index, called = (np.array(part) for part in found[stage])
                factors = {"attack": WORST_CASE, "engine": "native", "epsilon": eps, "alpha": eps / 4, **common}
                predicted = np.where(index <= place, called, labels)
                yield from counted(labels, predicted, dataset, masks, **factors, after=names[stage])
        smallest = np.array([0.0, *self.epsilons, np.inf])[np.array(found[-1][0]) + 1]
        context.artefacts["smallest_epsilon"] = {
            "files": [dataset.test.names[place] for place in chosen],
            "labels": [dataset.classes[label] for label in labels],
            "epsilon": [None if np.isinf(eps) else eps for eps in smallest.tolist()],
        }


def predict_attacked(
    model: nn.Module, images: Any, labels: Any, attacks: Sequence[Any], *, places: range | np.ndarray, **options: Any
) -> np.ndarray:
    """`attacked_predictions` of the images at `places`, in chunks, with a faster copy: int64 [attacks, N].

    Args:
        model: on its device; left as it was.
        images, labels: uint8 or float32 [M, C, H, W] and integers [M], arrays or tensors.
        attacks: see `attacked_predictions`.
        places: which of the images.
        options: `craft`, `seed`, `first` (the place of the first of `places` in the whole set), `on_image`.
    """
    found, first = [], options.pop("first", 0)
    told = options.pop("on_image", None)
    with eval_mode(model):
        proposer: nn.Module | None = None
        for part in _chunks(model, images, labels, places, first):
            proposer = proposer or attack_copy(model, part.images[:PROBE])
            tell = partial(_tell, told, int(part.places[0]) - first, len(places)) if told else None
            found.append(attacked_predictions(model, part, attacks, proposer=proposer, on_image=tell, **options))
    return torch.cat(found, dim=1).numpy()


def find_worst(
    model: nn.Module,
    images: Any,
    labels: Any,
    epsilons: Sequence[float],
    stages: Sequence[Make],
    *,
    places: range | np.ndarray,
    **options: Any,
) -> list[Fooled]:
    """`worst_case` of the images at `places`, in chunks, with a faster copy; `options` also has `precision`."""
    found: list[list[Fooled]] = []
    first, told = options.pop("first", 0), options.pop("on_image", None)
    precision = resolve_precision(options.pop("precision", "fp32"), device_of(model))
    with eval_mode(model):
        proposer: nn.Module | None = None
        for part in _chunks(model, images, labels, places, first):
            proposer = proposer or attack_copy(model, part.images[:PROBE])
            options |= {"proposer": proposer, "precision": precision}
            tell = partial(_tell, told, int(part.places[0]) - first, len(places)) if told else None
            found.append(worst_case(model, part, epsilons, stages, on_image=tell, **options))
    return [Fooled(*(torch.cat(parts) for parts in zip(*stage, strict=True))) for stage in zip(*found, strict=True)]


def _chunks(model: nn.Module, images: Any, labels: Any, places: range | np.ndarray, first: int = 0) -> Iterator[Part]:
    """The images at `places` on the model's device, some at a time; the first stands at `first` of the whole set."""
    device = device_of(model)
    for begin in range(0, len(places), CHUNK):
        some = np.asarray(places[begin : begin + CHUNK])
        pixels, truth = (torch.as_tensor(np.asarray(values[some])) for values in (images, labels))
        yield Part.of(to_unit_range(pixels).to(device), truth.long().to(device), first + begin)


def _tell(told: OnImages, before: int, total: int, done: int, _: int) -> None:
    told(before + done, total)


def counted(
    labels: np.ndarray, predicted: np.ndarray, dataset: Dataset, masks: dict[str, np.ndarray], **factors: Any
) -> Iterator[Row]:
    """The rates of one set of predictions over each subset; the overall accuracy also holds every image's verdict."""
    for subset, kept in masks.items():
        for row in rates(labels[kept], predicted[kept], dataset, subset, **factors):
            if subset == "all" and row["metric"] == "accuracy":
                row["right"] = "".join("01"[int(hit)] for hit in predicted == labels)
            yield row


def load_engine(name: str) -> Craft | None:
    """Whose code runs a native attack; None for its own.

    Raises:
        ValueError: there is no such engine.
    """
    check_choice("engine", name, ENGINES)
    if name == "native":
        return None
    if name == "art":
        from mri_robust.adapters import art

        return art.craft
    from mri_robust.adapters import torchattacks

    return torchattacks.craft


def _factors(attack: Any, engine: str) -> Row:
    """What of an attack stands in columns of its own."""
    return {
        "attack": name_of(attack),
        "engine": engine,
        "epsilon": getattr(attack, "eps", 0.0),
        "alpha": getattr(attack, "step_size", None),
        "steps": getattr(attack, "steps", None),
        "restarts": getattr(attack, "restarts", None),
        "norm": getattr(attack, "norm", "linf"),
    }


def _parts(evaluation: Any, images: int, dataset: Dataset) -> tuple[Any, ...]:
    count = len(choose_images(len(dataset.test), evaluation.images))
    spans = [(begin, min(begin + images, count)) for begin in range(0, count, images)]
    return tuple(replace(evaluation, span=span) for span in spans) if len(spans) > 1 else ()
