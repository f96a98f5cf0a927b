"""One slice from (seed, split, index): what is drawn at random, and the picture that follows from it."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from mri_robust.data.phantom.head import Head, Record, Scene, draw_head, draw_scan
from mri_robust.data.phantom.planes import SCENES
from mri_robust.data.phantom.tumours import Tumour, draw_glioma, draw_meningioma, draw_pituitary

VERSION = 1  # raised whenever the same seed would give other pixels
CLASSES = ("glioma", "meningioma", "notumor", "pituitary")
SplitName = Literal["train", "test"]
_DRAWERS = {"glioma": draw_glioma, "meningioma": draw_meningioma, "pituitary": draw_pituitary}
# Planes through the sella are as common in every class, so that the plane hardly tells the class.
_SELLA_SHARE = 0.7


@dataclass(frozen=True)
class Plan:
    """All that is drawn at random for one slice; it does not depend on the picture's size."""

    label: int  # index into `CLASSES`
    scene: Scene  # the plane through the head
    head: Head
    record: Record  # how it is scanned
    tumour: Tumour | None  # None for `notumor`
    noise: np.random.SeedSequence


@dataclass(frozen=True)
class Slice:
    """A drawn slice and the truth about it; masks are bool [H, W]."""

    image: np.ndarray  # uint8 [H, W]
    label: int  # index into `CLASSES`
    view: str  # view and level, such as `axial-mid`
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
    for_scene, for_head, for_scan, for_tumour = map(_generator, streams)
    label = label_of(seed, split, index)
    name = CLASSES[label]
    through_sella = for_scene.random() < _SELLA_SHARE or name == "pituitary"
    choices: list[Scene] = [scene for scene in SCENES if (scene.sella is not None) == through_sella]
    scene = choices[for_scene.integers(len(choices))]
    tumour = _DRAWERS[name](for_tumour, scene) if name in _DRAWERS else None
    return Plan(label, scene, draw_head(for_head), draw_scan(for_scan), tumour, noise)


def render(plan: Plan, size: int) -> Slice:
    """The picture of a plan, `size` pixels high and wide."""
    canvas = plan.head.canvas(size)
    layers = plan.scene.paint(canvas, plan.head)
    tumour = affected = np.zeros((size, size), bool)
    if plan.tumour is not None:
        lesion = plan.tumour(canvas, plan.head, layers)
        tumour, affected = lesion.mass < 0, lesion.reach < canvas.edge
    image = plan.record(canvas.value, _generator(plan.noise))
    skin, cavity, brain = (layer < 0 for layer in layers)
    return Slice(image, plan.label, plan.scene.name, skin, cavity, brain, tumour, affected)


def draw(seed: int, split: SplitName, index: int, size: int) -> tuple[np.ndarray, int]:
    """One slice as (uint8 [size, size], label), from these four alone; the same head is drawn at every size."""
    drawn = render(plan_slice(seed, split, index), size)
    return drawn.image, drawn.label


def _generator(seed: np.random.SeedSequence) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(seed))


def _seed(seed: int, split: SplitName, *names: int) -> np.random.SeedSequence:
    return np.random.SeedSequence(seed, spawn_key=(VERSION, ("train", "test").index(split), *names))
