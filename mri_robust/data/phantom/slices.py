"""One slice from (seed, split, index): what is drawn at random, and the picture that follows from it."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from mri_robust.data.phantom.head import Head, draw_scan
from mri_robust.data.phantom.planes import PLANES, Plane
from mri_robust.data.phantom.tumours import draw_glioma, draw_meningioma, draw_pituitary

VERSION = 1  # raised whenever the same seed would give other pixels
SplitName = Literal["train", "test"]
CLASSES = ("glioma", "meningioma", "notumor", "pituitary")
_TUMOURS = {"glioma": draw_glioma, "meningioma": draw_meningioma, "pituitary": draw_pituitary}


@dataclass(frozen=True)
class Slice:
    """A drawn slice, uint8 [H, W], and the truth about it as masks, bool [H, W]."""

    image: np.ndarray
    skin: np.ndarray  # inside the skin
    cavity: np.ndarray  # inside the inner skull
    brain: np.ndarray
    tumour: np.ndarray  # its mass; nothing for `notumor`
    affected: np.ndarray  # all that the tumour can change: its mass, oedema, and the dura and cleft beside it


class Plan:
    """All that is drawn at random for slice `index` of a split, at whatever size it is rendered.

    `seed` names the whole data set; it and `index` are 0 or more.
    """

    def __init__(self, seed: int, split: SplitName, index: int) -> None:
        *streams, self.noise = _seed(seed, split, index, 1).spawn(5)
        for_plane, for_head, for_scan, for_tumour = map(np.random.default_rng, streams)
        self.label = label_of(seed, split, index)
        name = CLASSES[self.label]
        # Planes through the sella are about as common in every class, so that the plane hardly tells the class.
        through_sella = for_plane.random() < 0.7 or name == "pituitary"
        choices: list[Plane] = [plane for plane in PLANES if (plane.sella is not None) == through_sella]
        self.plane = choices[for_plane.integers(len(choices))]
        self.head, self.record = Head(for_head), draw_scan(for_scan)
        self.tumour = _TUMOURS[name](for_tumour, self.plane) if name in _TUMOURS else None

    def render(self, size: int) -> Slice:
        """The picture, `size` pixels high and wide."""
        canvas = self.head.canvas(size)
        layers = self.plane.paint(canvas, self.head)
        tumour = affected = np.zeros((size, size), bool)
        if self.tumour is not None:
            lesion = self.tumour(canvas, self.head, layers)
            tumour, affected = lesion.mass < 0, lesion.reach < canvas.edge
        image = self.record(canvas.value, np.random.default_rng(self.noise))
        skin, cavity, brain = (layer < 0 for layer in layers)
        return Slice(image, skin, cavity, brain, tumour, affected)


def label_of(seed: int, split: SplitName, index: int) -> int:
    """The class of one slice, an index into `CLASSES`: every block of four holds each class once, in its own order."""
    block, place = divmod(index, len(CLASSES))
    return int(np.random.default_rng(_seed(seed, split, block, 0)).permutation(len(CLASSES))[place])


def draw(seed: int, split: SplitName, index: int, size: int) -> tuple[np.ndarray, int]:
    """One slice as (uint8 [size, size], label), from these four alone; the same head is drawn at every size."""
    plan = Plan(seed, split, index)
    return plan.render(size).image, plan.label


def _seed(seed: int, split: SplitName, *names: int) -> np.random.SeedSequence:
    return np.random.SeedSequence(seed, spawn_key=(VERSION, ("train", "test").index(split), *names))
