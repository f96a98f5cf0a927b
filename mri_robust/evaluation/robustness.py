"""Accuracy under each attack by itself. Tables 3 and 4, and everybody's own model."""

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
from mri_robust.attacks.evasion.epsilon_sweep import BATCH, Craft, attacked_predictions, run_attack
from mri_robust.attacks.evasion.search import Part
from mri_robust.core.eval_mode import device_of, eval_mode
from mri_robust.core.progress import OnImages, silent
from mri_robust.core.validation import check_choice, to_unit_range
from mri_robust.data.dataset import Dataset
from mri_robust.data.regions import regions
from mri_robust.evaluation.evaluation import Context, Evaluation
from mri_robust.evaluation.rows import Row, choose_images, rates_by_subset
from mri_robust.models.folded import attack_copy
from mri_robust.study.config import ENGINES
from mri_robust.study.results_folder import Result

CHUNK = 512
"""Images that are float32 in memory at a time: whole batches, so that chunks do not change a number."""
PROBE = 2
"""Images on which a faster copy of the model has to give the same logits."""
Found = dict[str, np.ndarray]
"""What was found of each of N images: name -> [..., N]."""


class ImageByImage(Evaluation):
    """Asks about the first `images` of the shuffled test images, in parts where there are many."""

    images: int
    span: tuple[int, int] | None  # (first, one after the last) of the images that a part takes; None for all

    @abstractmethod
    def find(self, context: Context, **where: Any) -> Found:
        """What is found of each image; `where` says which, see `predict_attacked`."""

    @abstractmethod
    def rows(self, context: Context, found: Found, chosen: np.ndarray) -> Iterator[Row]:
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
            context.artefacts["found"] = {name: values.tolist() for name, values in found.items()}

    def split(self, images: int, dataset: Dataset) -> tuple[Evaluation, ...]:
        """Parts of at most so many images."""
        count = len(choose_images(len(dataset.test), self.images))
        spans = [(begin, min(begin + images, count)) for begin in range(0, count, images)]
        return tuple(replace(self, span=span) for span in spans) if len(spans) > 1 else ()  # type: ignore[call-arg]

    def merge(self, parts: Sequence[Result], context: Context) -> Iterator[Row]:
        """The rows of the whole."""
        some = [part["artefacts"]["found"] for part in parts]
        found = {name: np.concatenate([each[name] for each in some], axis=-1) for name in some[0]}
        yield from self.rows(context, found, choose_images(len(context.dataset.test), self.images))

    def count(self, context: Context, predicted: np.ndarray, chosen: np.ndarray, **factors: Any) -> Iterator[Row]:
        """The rates over each subset; the overall accuracy also holds every image's verdict."""
        labels = context.dataset.test.labels[chosen]
        for row in rates_by_subset(predicted, context.dataset, self.leak_free, chosen, **factors):
            if row["subset"] == "all" and row["metric"] == "accuracy":
                row["right"] = "".join("01"[int(hit)] for hit in predicted == labels)
            yield row


@dataclass(frozen=True)
class UnderAttack(ImageByImage):
    """Accuracy under each of several attacks by itself, with missed tumours and the recall of each class."""

    attacks: tuple[Any, ...]  # native attacks; None for the clean images
    images: int
    engine: str = "native"  # whose code crafts, `native`, `art` or `torchattacks`
    each_member: bool = False  # every member of an ensemble gets its own image: fault `own-image-per-member`
    region: str = "all"  # where pixels may be changed, one of `data.REGIONS`
    span: tuple[int, int] | None = None

    def find(self, context: Context, **where: Any) -> Found:
        """`predicted`, the classes: int64 [attacks, N]."""
        test = context.dataset.test
        how = {"each_member": self.each_member, "craft": load_engine(self.engine), "region": self.region, **where}
        return {"predicted": predict_attacked(context.model, test.images, test.labels, self.attacks, **how)}

    def rows(self, context: Context, found: Found, chosen: np.ndarray) -> Iterator[Row]:
        """The rates under every attack."""
        for attack, predicted in zip(self.attacks, found["predicted"], strict=True):
            yield from self.count(context, predicted, chosen, **factors_of(attack, self.engine, self.region))


def predict_attacked(
    model: nn.Module, images: Any, labels: Any, attacks: Sequence[Any], *, each_member: bool = False, **where: Any
) -> np.ndarray:
    """`attacked_predictions`, in chunks, whose gradients come from a faster copy: int64 [attacks, N].

    `images` and `labels` are arrays or tensors, uint8 or float32 [M, C, H, W] and integers [M]; `where` holds `places`,
    the N that are asked about, `first`, where the first of them stands among all that are, `region`, `seed`, `judge`,
    `craft` and `on_image`. The model is left as it was. With `each_member` every member of an ensemble sees its own
    image.
    """
    ask = _member_predictions if each_member else attacked_predictions

    def predicted(model: nn.Module, part: Part, **how: Any) -> dict[str, Tensor]:
        return {"predicted": ask(model, part, attacks, **how)}

    return in_chunks(predicted, model, images, labels, **where)["predicted"]


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


def in_chunks(
    ask: Callable[..., dict[str, Tensor]],
    model: nn.Module,
    images: Any,
    labels: Any,
    *,
    places: range | np.ndarray,
    first: int = 0,
    region: str = "all",
    on_image: OnImages | None = None,
    **how: Any,
) -> Found:
    """What `ask` says of the images at `places`, some at a time: they are float32 on the device only then.

    It is called as `ask(model, part, proposer=a faster copy, on_image=..., **how)` and gives tensors [..., N]. For the
    other arguments see `predict_attacked`.
    """
    device, told, found = device_of(model), on_image or silent, []
    # What a model draws at random comes from the global generator, which is put back.
    with eval_mode(model), torch.random.fork_rng([device] if device.type == "cuda" else []):
        proposer: nn.Module | None = None
        for begin in range(0, len(places), CHUNK):
            some = np.asarray(places[begin : begin + CHUNK])
            pixels, truth = (torch.as_tensor(np.asarray(values[some])) for values in (images, labels))
            where_to = region_of(pixels.numpy(), region, device)
            part = Part.of(to_unit_range(pixels).to(device), truth.long().to(device), first + begin, where_to)
            proposer = proposer or attack_copy(model, part.images[:PROBE])
            where = {"proposer": proposer, "on_image": lambda done, _, before=begin: told(before + done, len(places))}
            found.append(ask(model, part, **where, **how))
    return {name: torch.cat([each[name] for each in found], dim=-1).numpy() for name in found[0]}


def region_of(images: np.ndarray, name: str, device: torch.device) -> Tensor | None:
    """`regions` of images as `Part` takes them; None for everything, so that no attack does more for it."""
    return None if name == "all" else torch.from_numpy(regions(images, name)).to(device)


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


def factors_of(attack: Any, engine: str = "native", region: str = "all") -> Row:
    """What of an attack stands in columns of its own."""
    columns = {"alpha": "step_size", "steps": "steps", "restarts": "restarts"}
    return {
        "attack": name_of(attack),
        "engine": engine,
        "epsilon": getattr(attack, "eps", 0.0),
        **{column: getattr(attack, name, None) for column, name in columns.items()},
        "norm": None if attack is None else getattr(attack, "norm", "linf"),
        "region": None if attack is None else region,
    }
