"""One slice from (seed, split, index): what is drawn at random, and the picture that follows from it."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from mri_robust.data.phantom.head import Head, Record, draw_scan
from mri_robust.data.phantom.planes import PLANES, Plane
from mri_robust.data.phantom.tumours import Tumour, draw_glioma, draw_meningioma, draw_pituitary

VERSION = 1  # raised whenever the same seed would give other pixels
SplitName = Literal["train", "test"]
_TUMOURS = {"glioma": draw_glioma, "meningioma": draw_meningioma, "notumor": None, "pituitary": draw_pituitary}
CLASSES = tuple(_TUMOURS)


@dataclass(frozen=True)
class Plan:
    """All that is drawn at random for one slice; it does not depend on the picture's size."""

    label: int  # index into `CLASSES`
    plane: Plane
    head: Head
    record: Record  # how it is scanned
    tumour: Tumour | None  # None for `notumor`
    noise: np.random.SeedSequence


@dataclass(frozen=True)
class Slice:
    """A drawn slice, uint8 [H, W], and the truth about it as masks, bool [H, W]."""

    image: np.ndarray
    skin: np.ndarray  # inside the skin
    cavity: np.ndarray  # inside the inner skull
    brain: np.ndarray
    tumour: np.ndarray  # its mass; nothing for `notumor`
    affected: np.ndarray  # all that the tumour can change: its mass, oedema, and the dura and cleft beside it


def label_of(seed: int, split: SplitName, index: int) -> int:
    """The class of one slice: every block of four slices holds each class once, in an order of its own."""
    block, place = divmod(index, len(CLASSES))
    return int(_generator(_seed(seed, split, block, 0)).permutation(len(CLASSES))[place])


def plan_slice(seed: int, split: SplitName, index: int) -> Plan:
    """Draw the random values of slice `index` (0 or more) of a split; `seed` (0 or more) names the whole data set."""
    *streams, noise = _seed(seed, split, index, 1).spawn(5)
    for_plane, for_head, for_scan, for_tumour = map(_generator, streams)
    label = label_of(seed, split, index)
    # Planes through the sella are about as common in every class, so that the plane hardly tells the class.
    through_sella = for_plane.random() < 0.7 or CLASSES[label] == "pituitary"
    choices = [plane for plane in PLANES if (plane.sella is not None) == through_sella]
    plane = choices[for_plane.integers(len(choices))]
    draw_tumour = _TUMOURS[CLASSES[label]]
    tumour = draw_tumour(for_tumour, plane) if draw_tumour else None
    return Plan(label, plane, Head(for_head), draw_scan(for_scan), tumour, noise)


def render(plan: Plan, size: int) -> Slice:
    """The picture of a plan, `size` pixels high and wide."""
    canvas = plan.head.canvas(size)
    layers = plan.plane.paint(canvas, plan.head)
    tumour = affected = np.zeros((size, size), bool)
    if plan.tumour is not None:
        lesion = plan.tumour(canvas, plan.head, layers)
        tumour, affected = lesion.mass < 0, lesion.reach < canvas.edge
    image = plan.record(canvas.value, _generator(plan.noise))
    skin, cavity, brain = (layer < 0 for layer in layers)
    return Slice(image, skin, cavity, brain, tumour, affected)


def draw(seed: int, split: SplitName, index: int, size: int) -> tuple[np.ndarray, int]:
    """One slice as (uint8 [size, size], label), from these four alone; the same head is drawn at every size."""
    plan = plan_slice(seed, split, index)
    return render(plan, size).image, plan.label


def _generator(seed: np.random.SeedSequence) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(seed))


def _seed(seed: int, split: SplitName, *names: int) -> np.random.SeedSequence:
    return np.random.SeedSequence(seed, spawn_key=(VERSION, ("train", "test").index(split), *names))
