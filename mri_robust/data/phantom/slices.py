"""One slice from (seed, split, index): what is drawn at random, and the picture that follows from it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from mri_robust.data.phantom import axial, coronal, sagittal
from mri_robust.data.phantom.head import Head, draw_head
from mri_robust.data.phantom.placement import draw_glioma, draw_meningioma, draw_pituitary
from mri_robust.data.phantom.scanner import Scan, draw_scan
from mri_robust.data.phantom.scene import Scene, paint_head
from mri_robust.data.phantom.tumours import Tumour

VERSION = 1
"""Raised whenever the same seed would give other pixels."""

CLASSES = ("glioma", "meningioma", "notumor", "pituitary")
SPLITS = ("train", "test")
SplitName = Literal["train", "test"]

SCENES = (axial.HIGH, axial.MID, axial.LOW, coronal.MID, coronal.BACK, sagittal.MID, sagittal.SIDE)
SELLA_SCENES = tuple(scene for scene in SCENES if scene.sella is not None)
# Planes through the sella are as common in every class, so that the plane hardly tells the class.
SELLA_SHARE = 0.7
DRAWERS: dict[str, Callable[[np.random.Generator, Scene], Tumour]] = {
    "glioma": draw_glioma,
    "meningioma": draw_meningioma,
    "pituitary": draw_pituitary,
}


@dataclass(frozen=True)
class Plan:
    """All that is drawn at random for one slice, apart from the noise; it does not depend on the picture's size.

    Attributes:
        label: index into `CLASSES`.
        scene: the plane through the head.
        head, scan: the head and how it was recorded.
        tumour: None for `notumor`.
        noise: the seed of the noise.
    """

    label: int
    scene: Scene
    head: Head
    scan: Scan
    tumour: Tumour | None
    noise: np.random.SeedSequence


@dataclass(frozen=True)
class Slice:
    """A drawn slice and the truth about it; all arrays [H, W].

    Attributes:
        image: uint8 grey levels.
        label: index into `CLASSES`.
        view: view and level, such as `axial-mid`.
        skin, cavity, brain: bool, inside the skin, the inner skull and the brain.
        tumour: bool, the tumour's mass; nothing for `notumor`.
        affected: bool, all that the tumour can change: its mass, oedema, and the dura and cleft beside it.
    """

    image: np.ndarray
    label: int
    view: str
    skin: np.ndarray
    cavity: np.ndarray
    brain: np.ndarray
    tumour: np.ndarray
    affected: np.ndarray


def label_of(seed: int, split: SplitName, index: int) -> int:
    """The class of one slice: every block of four slices holds each class once, in an order of its own."""
    block, place = divmod(index, len(CLASSES))
    rng = np.random.Generator(np.random.PCG64(_seed(seed, split, block, 0)))
    return int(rng.permutation(len(CLASSES))[place])


def plan_slice(seed: int, split: SplitName, index: int) -> Plan:
    """Draw the random values of one slice.

    Args:
        seed: 0 or more; names the whole data set.
        split: `train` or `test`.
        index: 0 or more; the slice's place in the split.
    """
    streams = _seed(seed, split, index, 1).spawn(5)
    for_scene, for_head, for_scan, for_tumour = (np.random.Generator(np.random.PCG64(one)) for one in streams[:4])
    label = label_of(seed, split, index)
    name = CLASSES[label]
    through_sella = for_scene.random() < SELLA_SHARE or name == "pituitary"
    choices = SELLA_SCENES if through_sella else tuple(scene for scene in SCENES if scene.sella is None)
    scene = choices[for_scene.integers(len(choices))]
    tumour = DRAWERS[name](for_tumour, scene) if name in DRAWERS else None
    return Plan(label, scene, draw_head(for_head), draw_scan(for_scan), tumour, streams[4])


def render(plan: Plan, size: int) -> Slice:
    """The picture of a plan, `size` pixels high and wide."""
    canvas = plan.head.canvas(size)
    layers = paint_head(canvas, plan.head, plan.scene)
    tumour = affected = np.zeros((size, size), bool)
    if plan.tumour is not None:
        lesion = plan.tumour.paint(canvas, plan.head, layers)
        tumour, affected = lesion.mass < 0, lesion.reach < canvas.edge
    return Slice(
        image=plan.scan.record(canvas.value, np.random.Generator(np.random.PCG64(plan.noise))),
        label=plan.label,
        view=plan.scene.name,
        skin=layers.skin < 0,
        cavity=layers.cavity < 0,
        brain=layers.brain < 0,
        tumour=tumour,
        affected=affected,
    )


def draw(seed: int, split: SplitName, index: int, size: int) -> tuple[np.ndarray, int]:
    """One slice as (uint8 [size, size], label); it depends on the four arguments alone.

    Args:
        seed: 0 or more; names the whole data set.
        split: `train` or `test`.
        index: 0 or more; the slice's place in the split.
        size: height and width in pixels; the same head is drawn at every size.
    """
    drawn = render(plan_slice(seed, split, index), size)
    return drawn.image, drawn.label


def stream(seed: int, split: SplitName, count: int, size: int) -> Iterator[tuple[np.ndarray, int]]:
    """The first `count` slices of a split, one at a time, as `draw` gives them."""
    for index in range(count):
        yield draw(seed, split, index, size)


def _seed(seed: int, split: SplitName, *names: int) -> np.random.SeedSequence:
    return np.random.SeedSequence(seed, spawn_key=(VERSION, SPLITS.index(split), *names))
