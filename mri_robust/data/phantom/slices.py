"""One slice from (seed, split, index): what is drawn at random, the tumour among it, and the picture that follows."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from mri_robust.data.phantom.head import Canvas, Distance, Head, Points, Rim, draw_scan, intersection, joined, union
from mri_robust.data.phantom.planes import PLANES, Layers, Plane

VERSION = 1  # raised whenever the same seed would give other pixels
SplitName = Literal["train", "test"]
CLASSES = ("glioma", "meningioma", "notumor", "pituitary")


class Lesion(NamedTuple):
    """Where a tumour came to lie, as distances [H, W]."""

    mass: Distance  # the tumour itself
    reach: Distance  # everything that it changes: the tumour, its oedema, the dura beside it


Tumour = Callable[[Canvas, Head, Layers], Lesion]  # draws a tumour over a finished head, and says where it lies


def draw_glioma(rng: np.random.Generator, plane: Plane) -> Tumour:
    """Irregular, deep in the brain, away from the sella: a bright ring around a dark necrotic core, in oedema."""
    radius = rng.uniform(0.15, 0.24)
    x, y = centre = _place_in_brain(rng, plane, radius)
    away = rng.normal(0, 0.1 * radius, 2).tolist()
    rim, core_rim, oedema_rim = _draw_rim(rng, 0.2), _draw_rim(rng, 0.24), _draw_rim(rng, 0.22)
    core, oedema, gain = rng.uniform(0.5, 0.75), rng.uniform(1.35, 1.9), rng.uniform(0.12, 0.25)

    def paint(canvas: Canvas, head: Head, layers: Layers) -> Lesion:
        p, t, within = canvas.points, head.tissues, layers.brain + 0.01
        infiltrated = intersection(p.blob(centre, radius * oedema * 1.5, oedema_rim), within)
        swollen = intersection(p.blob(centre, radius * oedema, oedema_rim), within)
        mass = intersection(p.blob(centre, radius, rim), within)
        necrosis = intersection(p.blob((x + away[0], y + away[1]), radius * core, core_rim), within)
        grain = head.grain(p.x, p.y)
        # Cells beyond the oedema leave no border, just a faint mottling.
        canvas.value += canvas.cover(infiltrated, 0.1) * (0.06 * t.white) * (grain - 0.6)
        canvas.paint(0.45 * t.white + 0.3 * t.csf, swollen, soft=0.07, opacity=0.8)
        canvas.paint(t.white + gain * (1 + 0.16 * grain), mass)
        canvas.paint(0.8 * t.csf + 0.015 * grain, necrosis, soft=0.02)
        return Lesion(mass, union(mass, infiltrated) - 0.05)

    return paint


def draw_meningioma(rng: np.random.Generator, plane: Plane) -> Tumour:
    """Round and evenly bright, broad-based on the dura, with a tail of bright dura and a cleft of CSF."""
    radius, angle = rng.uniform(0.15, 0.24), rng.uniform(*plane.dura)
    across, down = float(np.cos(angle)), float(np.sin(angle))
    steps = np.linspace(0.05, 1.0, 400, dtype=np.float32)
    ray = Points(plane.centre[0] + steps * across, plane.centre[1] + steps * down)
    at_dura = int(np.argmax(plane.layers(ray).cavity > 0))
    base_x, base_y = float(ray.x[at_dura]), float(ray.y[at_dura])
    inwards = radius * rng.uniform(0.45, 0.75)
    centre = (base_x - inwards * across, base_y - inwards * down)
    rim, vessels = _draw_rim(rng, 0.05), int(rng.integers(18, 31))
    tail_reach, gain = rng.uniform(1.3, 1.9), rng.uniform(0.12, 0.25)

    def paint(canvas: Canvas, head: Head, layers: Layers) -> Lesion:
        p, bright = canvas.points, head.tissues.white + gain
        ball = p.blob(centre, radius, rim)
        mass, cleft = intersection(ball, layers.cavity), intersection(ball - 0.02, layers.cavity)
        tail = intersection(np.abs(layers.cavity + 0.008) - 0.012, p.blob(centre, radius * tail_reach, ()))
        spokes = np.cos(vessels * np.arctan2(p.y - base_y, p.x - base_x))  # its vessels, which spread from the base
        canvas.paint(head.tissues.csf, cleft, opacity=0.8)
        canvas.paint(bright, tail)
        canvas.paint(bright + 0.012 * (spokes + head.grain(p.x, p.y)), mass)
        return Lesion(mass, union(cleft, tail))

    return paint


def draw_pituitary(rng: np.random.Generator, plane: Plane) -> Tumour:
    """A mass in the sella, which the plane must meet, rising above it, waisted at the diaphragm; some hold a cyst."""
    assert plane.sella is not None
    radius = rng.uniform(0.09, 0.135)
    top_radius = radius * rng.uniform(0.8, 1.5)
    rise = 0.0 if plane.name.startswith("axial") else 0.75 * (radius + top_radius)
    centre = (plane.sella[0] + rng.normal(0, 0.015), plane.sella[1])
    top = (centre[0] + rng.normal(0, 0.025), centre[1] - rise)
    rim = _draw_rim(rng, 0.08)
    cyst, gain = float(rng.random() < 0.15) * rng.uniform(0.4, 0.65), rng.uniform(0.12, 0.25)

    def paint(canvas: Canvas, head: Head, layers: Layers) -> Lesion:
        p, t = canvas.points, head.tissues
        mass = joined(p.blob(centre, radius, rim), p.blob(top, top_radius, rim), 0.03)
        canvas.paint(t.csf, mass - 0.012, opacity=0.6)
        canvas.paint(t.white + gain * (1 + 0.08 * head.grain(p.x, p.y)), mass)
        if cyst:
            canvas.paint(0.6 * t.white, p.blob(top, top_radius * cyst, rim), soft=0.02)
        return Lesion(mass, mass - 0.012)

    return paint


def _place_in_brain(rng: np.random.Generator, plane: Plane, radius: float) -> tuple[float, float]:
    """The first of 96 random places that is deep enough for a tumour of this radius, or else the deepest."""
    x, y = rng.uniform(-0.6, 0.6, 96).astype(np.float32), rng.uniform(-0.7, 0.45, 96).astype(np.float32)
    depth = -plane.layers(Points(x, y)).brain
    if plane.sella is not None:
        depth = np.minimum(depth, np.hypot(x - plane.sella[0], y - plane.sella[1]) - 0.1)
    fits = depth > 0.6 * radius
    chosen = int(np.argmax(fits if fits.any() else depth))
    return float(x[chosen]), float(y[chosen])


def _draw_rim(rng: np.random.Generator, strength: float) -> Rim:
    """The harmonics that make a round outline irregular."""
    amplitudes = strength * rng.uniform(0.3, 1, 5) / np.sqrt(np.arange(1, 6))
    return tuple(zip(amplitudes.tolist(), rng.uniform(0, 2 * np.pi, 5).tolist(), strict=True))


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
