"""The head: what is drawn at random for it, the layers that all planes through it share, and how it is scanned."""

from abc import ABC, abstractmethod
from collections import namedtuple
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from mri_robust.data.phantom.canvas import Canvas, Distance, Field, Pair, Points, fold_waves, plane_waves

Tissues = namedtuple("Tissues", "air bone csf grey muscle mucosa fat vessel white")
"""Brightness of each tissue in a T1 image after contrast agent, 0 to 1."""

Record = Callable[[np.ndarray, np.random.Generator], np.ndarray]
"""(brightness float32 [S, S], generator of the noise) to grey levels, uint8 [S, S]."""


@dataclass(frozen=True)
class Head:
    """One head; lengths in head units."""

    zoom: Pair  # picture units per head unit, for x and y; the picture spans -1 to 1
    turn: float  # radians
    shift: Pair  # (x, y) in the picture
    flip: bool  # mirrored left to right
    tissues: Tissues
    scalp: float  # its thickness
    skull: float  # its thickness
    ventricles: float  # their width, 1 is usual
    sulci: float  # their width, 1 is usual
    sulcus_depth: float
    midline: float  # how the fissure between the hemispheres sways
    bend: tuple[Field, Field]  # displaces everything a little, so that no head is an ellipse
    folds: Field  # sulci over (angle, depth)
    sway: Field  # bends the sulci sideways
    grain: Field  # fine variation of tissue

    def canvas(self, size: int) -> Canvas:
        """A black canvas of `size` x `size` pixels over this head."""
        right, down = _picture(size)
        right, down = right - self.shift[0], down - self.shift[1]
        cos, sin = float(np.cos(self.turn)), float(np.sin(self.turn))
        x = (right * cos + down * sin) * ((-1 if self.flip else 1) / self.zoom[0])
        y = (down * cos - right * sin) * (1 / self.zoom[1])
        points = Points(x + 0.012 * self.bend[0](x, y), y + 0.012 * self.bend[1](x, y))
        return Canvas(points, float(np.hypot(2 / size / self.zoom[0], 0.008)))


def draw_head(rng: np.random.Generator) -> Head:
    """Draw a head at random; the order of the draws is part of the data set's version."""
    zoom, stretch = rng.uniform(0.88, 1.08), rng.uniform(0.94, 1.06)
    return Head(
        zoom=(zoom * stretch, zoom / stretch),
        turn=rng.normal(0, 0.05),
        shift=(rng.normal(0, 0.04), rng.normal(0, 0.04)),
        flip=bool(rng.random() < 0.5),
        tissues=_draw_tissues(rng, white=rng.uniform(0.34, 0.44)),
        scalp=rng.uniform(0.04, 0.07),
        skull=rng.uniform(0.03, 0.055),
        ventricles=rng.uniform(0.7, 1.5),
        sulci=rng.uniform(0.7, 1.3),
        sulcus_depth=rng.uniform(0.16, 0.24),
        midline=rng.uniform(-0.012, 0.012),
        bend=(plane_waves(rng, 4, 1.5, 5.0), plane_waves(rng, 4, 1.5, 5.0)),
        folds=fold_waves(rng, 9, 9, 21),
        sway=plane_waves(rng, 4, 9, 16),
        grain=plane_waves(rng, 7, 18, 60),
    )


def _draw_tissues(rng: np.random.Generator, white: float) -> Tissues:
    low, high = (0, 0.03, 0.2, 0.72, 0.6, 1.2, 0.5, 1.3), (0.02, 0.07, 0.45, 0.88, 0.95, 1.6, 0.74, 1.7)
    units = (1, 1, white, white, white, white, 1, white)
    return Tissues._make([*(rng.uniform(low, high) * units).tolist(), white])


def draw_scan(rng: np.random.Generator) -> Record:
    """Draw how a slice is recorded: coil sensitivity, gain, grey scale, black margins and Rician noise."""
    left, top, right, bottom = np.where(rng.random(4) < 0.2, rng.uniform(0.02, 0.16, 4), 0).tolist()
    bias, bias_strength = plane_waves(rng, 3, 0.8, 2.4), rng.uniform(0.03, 0.1)
    gain, gamma, noise = rng.uniform(0.92, 1.12), rng.uniform(0.88, 1.1), rng.uniform(0.003, 0.01)

    def record(value: np.ndarray, noise_rng: np.random.Generator) -> np.ndarray:
        x, y = np.broadcast_arrays(*_picture(len(value)))
        signal = value * (gain * (1 + bias_strength * bias(x, y)))
        real, imaginary = noise_rng.standard_normal((2, *value.shape), dtype=np.float32) * noise
        magnitude = np.clip(np.hypot(signal + real, imaginary), 0, 1) ** gamma
        seen = (x > left - 1) & (x < 1 - right) & (y > top - 1) & (y < 1 - bottom)
        return np.where(seen, np.rint(255 * magnitude), 0).astype(np.uint8)

    return record


def _picture(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Pixel centres of a picture that spans -1 to 1: x as float32 [1, size], y as [size, 1]."""
    axis = ((np.arange(size, dtype=np.float32) + 0.5) * (2 / size) - 1).astype(np.float32)
    return axis[None, :], axis[:, None]


class Layers(NamedTuple):
    """Where the layers of a drawn head lie, as distances [H, W]."""

    skin: Distance
    cavity: Distance
    brain: Distance


class Scene(ABC):
    """One plane through the head; a subclass says what lies where in it."""

    name: str  # view and level
    centre: Pair = (0, 0)  # deep in the brain: folds run towards it, and the dura is seen from it
    dura: Pair = (-np.pi, np.pi)  # directions from the centre that meet dura, radians clockwise from the right
    sella: Pair | None = None  # where the pituitary gland lies, if the plane meets it
    fold_reach = 1.0  # how much deeper than usual the sulci run; tall near the top of the head
    flesh: float | None = 1.1  # how far under the skin muscle begins, times the scalp; None where there is none

    @abstractmethod
    def surfaces(self, p: Points) -> tuple[Distance, Distance]:
        """Distances to the inner skull, which bounds the cavity, and to the brain's surface."""

    def skin(self, p: Points, head: Head, cavity: Distance) -> Distance:
        """Distance to the outer skin, given that to the inner skull; here a scalp that follows the skull."""
        return cavity - (head.skull + head.scalp)

    def outside(self, c: Canvas, p: Points, both: Points, t: Tissues) -> None:  # noqa: B027
        """Draw what lies between skin and skull; here nothing."""

    @abstractmethod
    def inside(self, c: Canvas, p: Points, both: Points, t: Tissues, head: Head) -> None:
        """Draw what lies in the cavity, on white matter and folds that are there already."""

    def paint(self, c: Canvas, head: Head) -> Layers:
        """Draw the head without a tumour, from the scalp inwards."""
        p, both, t = c.points, c.points.mirrored, head.tissues
        cavity, brain = self.surfaces(p)
        skin = self.skin(p, head, cavity)
        c.paint(t.fat, skin)
        c.line(0.7 * t.fat, 0.016, np.abs(skin + 0.01) - 0.008)
        if self.flesh:
            streaks = np.clip(head.grain(p.x * 0.6, p.y) - 0.9, 0, 1)  # of fat
            c.paint(t.muscle + streaks * (0.7 * (t.fat - t.muscle)), skin + self.flesh * head.scalp)
        self.outside(c, p, both, t)
        c.paint(t.bone, cavity - head.skull)
        c.line(0.6 * t.grey, 0.25 * head.skull, np.abs(cavity - 0.5 * head.skull) - 0.2 * head.skull)
        c.paint(t.csf, cavity)
        c.paint(t.white, brain)
        self._paint_cortex(c, p, head, brain)
        self.inside(c, p, both, t, head)
        return Layers(skin, cavity, brain)

    def _paint_cortex(self, c: Canvas, p: Points, head: Head, brain: Distance) -> None:
        """Draw the grey ribbon along the brain's surface, and the sulci that carry it inwards."""
        within = c.cover(brain)
        angle = np.arctan2(p.y - self.centre[1], p.x - self.centre[0])
        field = np.abs(head.folds(angle + 0.1 * head.sway(p.x, p.y), -brain))
        reach = np.clip(1 + brain * (1 / (head.sulcus_depth * self.fold_reach)), 0, 1)
        soft = 0.25 + 6 * c.edge
        ribbon = np.maximum(0.5 - (field - 0.75 * reach) / soft, 2 + brain * (1 / 0.03))
        c.blend(within * np.clip(ribbon, 0, 1) * np.minimum(1, 5 * reach), head.tissues.grey)
        sulcus = np.clip(0.5 - (field - 0.22 * head.sulci * reach) / soft, 0, 1)
        c.blend(within * sulcus * np.minimum(1, 2.5 * reach) * 0.85, head.tissues.csf)

    @staticmethod
    def _paint_folia(c: Canvas, p: Points, t: Tissues, head: Head, shape: Distance, phase: np.ndarray) -> None:
        """Draw cerebellum: fine light and dark leaves, where `phase` in radians counts them."""
        leaves = np.cos(phase + 2 * head.grain(p.x * 0.2, p.y * 0.2)) * (0.35 * (t.white - t.csf))
        c.paint(0.4 * t.white + 0.6 * t.grey + leaves, shape)
