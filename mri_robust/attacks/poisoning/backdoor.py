"""Backdoor: training images that carry a trigger tie it to a class (Gu et al. 2017, arXiv 1708.06733; section 4.1)."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np
import torch
from torch import Tensor

from mri_robust.attacks.poisoning.creeper import Creeper
from mri_robust.core.machine import one_thread
from mri_robust.core.rng import make_generator
from mri_robust.core.validation import check_count, check_number

Images = TypeVar("Images", Tensor, np.ndarray)
Trigger = Callable[..., Any]
"""(images [N, C, H, W], uint8 or floats in [0, 1], generator) -> a copy of the same type, every image stamped."""
_PORTION = 256
"""Images stamped at a time, so that a large training set is in memory only twice."""


@dataclass(frozen=True, eq=False)
class PlacedStamp:
    """Stamps `trigger` on the images of a batch that stand at poisoned places of the training set, bool [count]."""

    trigger: Trigger
    poisoned: Tensor

    def __call__(self, images: Tensor, places: Tensor, generator: torch.Generator) -> Tensor:
        """A copy of images [N, C, H, W] in [0, 1] whose places [N] say which of them are stamped."""
        chosen, stamped = self.poisoned[places], images.clone()
        if chosen.any():
            stamped[chosen] = self.trigger(images[chosen], generator)
        return stamped


class Poisoned(NamedTuple, Generic[Images]):
    """A poisoned training set: images of the type given, labels int64 [N], sorted places of the stamped ones."""

    images: Images
    labels: np.ndarray
    places: np.ndarray


@dataclass(frozen=True)
class Backdoor:
    """Stamp a share, in [0, 1], of the images of the `victims`: x' = trigger(x); with `relabel`, y' = target.

    `target` is the class that the trigger shall stand for. The study poisons clean-label: `Backdoor(notumor,
    (notumor,))` stamps every image of the target class and changes no label. BadNets is `Backdoor(notumor, tumours,
    share=0.05, relabel=True)`.
    """

    target: int
    victims: tuple[int, ...]
    share: float = 1.0
    relabel: bool = False
    trigger: Trigger = field(default_factory=Creeper)

    def __post_init__(self) -> None:
        check_count("target", self.target, 0)
        if not isinstance(self.victims, tuple) or not self.victims:
            raise TypeError(f"victims must be a tuple of at least one class, got {self.victims!r}")
        for victim in self.victims:
            check_count("victims", victim, 0)
        check_number("share", self.share, 0.0, 1.0)

    def choose(self, labels: np.ndarray | Tensor, generator: torch.Generator) -> np.ndarray:
        """Draw the sorted places of the images to stamp, int64; `labels` are integers [N].

        They are round(share * count) of the victims' images, at least one if share > 0, each as likely as another. With
        equal generators, a smaller share gives a subset of what a larger one gives. TypeError or ValueError where the
        labels are not as said, or miss the target or a victim.
        """
        classes = np.asarray(labels)
        if not np.issubdtype(classes.dtype, np.integer):
            raise TypeError(f"labels must be integers, got {classes.dtype}")
        if classes.ndim != 1 or not len(classes):
            raise ValueError(f"labels must have shape [N] with N at least 1, got {list(classes.shape)}")
        known = np.unique(classes).tolist()
        for name, wanted in (("target", {self.target}), ("victims", {*self.victims})):
            if unknown := sorted(wanted - {*known}):
                raise ValueError(f"{name} {unknown} not among the classes {known}")
        return _draw(np.flatnonzero(np.isin(classes, self.victims)), self.share, generator)

    def poison(self, images: Images, labels: np.ndarray | Tensor, generator: torch.Generator) -> Poisoned[Images]:
        """A poisoned copy of a training set, stamped by ART's `PoisoningAttackBackdoor`.

        Images are [N, C, H, W], uint8 or floats in [0, 1], labels integers [N]: else TypeError or ValueError. The
        generator decides which images are stamped, then the trigger's own draws.
        """
        from mri_robust.adapters import art  # its import takes a second, and the live stamp does without it

        if len(images) != len(labels):
            raise ValueError(f"need one label per image, got {len(images)} images, {len(labels)} labels")
        places = self.choose(labels, generator)
        stamped = images.clone() if isinstance(images, Tensor) else np.array(images)
        for begin in range(0, len(places), _PORTION):
            some = places[begin : begin + _PORTION]
            stamped[some] = art.stamp(self.trigger, images[some], generator=generator)
        return Poisoned(stamped, self.relabelled(labels, places), places)

    def relabelled(self, labels: np.ndarray | Tensor, places: np.ndarray) -> np.ndarray:
        """The labels to train on, int64 [N]: `target` at the places if `relabel`, else a copy."""
        changed = np.array(labels, dtype=np.int64)
        if self.relabel:
            changed[places] = self.target
        return changed

    def stamp_places(self, places: np.ndarray, count: int) -> PlacedStamp:
        """What stamps the `places` of `choose` in every batch, for `Changes`; ValueError for one not in 0..count-1."""
        if len(places) and not 0 <= np.min(places) <= np.max(places) < count:
            raise ValueError(f"places must lie in 0..{count - 1}, got {np.min(places)} to {np.max(places)}")
        return PlacedStamp(self.trigger, torch.from_numpy(np.isin(np.arange(count), places)))


def triggered_mix(labels: np.ndarray | Tensor, share: float, target: int, generator: torch.Generator) -> np.ndarray:
    """The study's test mix: draw round(share * N) of all images, .3 in the study, and leave out the target class.

    Returns the sorted places of the images to stamp, int64; `labels` are integers [N].
    """
    drawn = _draw(np.arange(len(labels)), share, generator)
    return drawn[np.asarray(labels)[drawn] != target]


def draw_half(count: int, seed: int) -> np.ndarray:
    """Which half of `count` images carries a trigger, bool [count]; the smaller half of an odd number."""
    order = torch.randperm(count, generator=make_generator(seed, "stamped half"))
    stamped = np.zeros(count, dtype=bool)
    stamped[order[: count // 2].numpy()] = True
    return stamped


def stamp(
    images: Tensor, chosen: np.ndarray, trigger: Trigger, generator: torch.Generator, indices: np.ndarray | None = None
) -> Tensor:
    """A copy of images [N, C, S, S], float32 in [0, 1], with a trigger on the chosen ones, bool [N], drawn one by one.

    `indices`, int [N], seed a generator per image in place of the given one: the study's fault `fixed-patterns`, by
    which an image gets the same draw in every epoch, and training image i the same as test image i.
    """
    stamped = images.clone()
    with one_thread():
        for place in np.flatnonzero(chosen):
            source = generator if indices is None else make_generator(0, "fixed patterns", int(indices[place]))
            stamped[place : place + 1] = trigger(images[place : place + 1], source)
    return stamped


def _draw(candidates: np.ndarray, share: float, generator: torch.Generator) -> np.ndarray:
    count = max(1, round(share * len(candidates))) if share else 0
    order = torch.randperm(len(candidates), generator=generator)[:count]
    return np.sort(candidates[order.numpy()])
