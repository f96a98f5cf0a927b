"""What a plane through the head is made of, and the layers that all planes share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple

import numpy as np

from mri_robust.data.phantom.canvas import Canvas, Distance, Pair, Points
from mri_robust.data.phantom.head import Head, Tissues


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

    @abstractmethod
    def cavity(self, p: Points) -> Distance:
        """Distance to the inner skull."""

    @abstractmethod
    def brain(self, p: Points) -> Distance:
        """Distance to the brain's surface."""

    def skin(self, p: Points, head: Head, cavity: Distance) -> Distance:
        """Distance to the outer skin, given that to the inner skull; here a scalp that follows the skull."""
        return cavity - (head.skull + head.scalp)

    def outside(self, c: Canvas, p: Points, t: Tissues, head: Head, skin: Distance) -> None:  # noqa: B027
        """Draw what lies between skin and skull; here nothing."""

    @abstractmethod
    def inside(self, c: Canvas, p: Points, t: Tissues, head: Head) -> None:
        """Draw what lies in the cavity, on white matter and folds that are there already."""

    def paint(self, c: Canvas, head: Head) -> Layers:
        """Draw the head without a tumour, from the scalp inwards."""
        p, t = c.points, head.tissues
        cavity, brain = self.cavity(p), self.brain(p)
        skin = self.skin(p, head, cavity)
        c.paint(skin, t.fat)
        c.line(np.abs(skin + 0.01) - 0.008, 0.7 * t.fat, 0.016)
        self.outside(c, p, t, head, skin)
        c.paint(cavity - head.skull, t.bone)
        c.line(np.abs(cavity - 0.5 * head.skull) - 0.2 * head.skull, 0.6 * t.grey, 0.25 * head.skull)
        c.paint(cavity, t.csf)
        c.paint(brain, t.white)
        self._paint_cortex(c, head, brain)
        self.inside(c, p, t, head)
        return Layers(skin, cavity, brain)

    def _paint_cortex(self, c: Canvas, head: Head, brain: Distance) -> None:
        """Draw the grey ribbon along the brain's surface, and the sulci that carry it inwards."""
        p, within = c.points, c.cover(brain)
        angle = np.arctan2(p.y - self.centre[1], p.x - self.centre[0])
        field = np.abs(head.folds(angle + 0.1 * head.sway(p.x, p.y), -brain))
        reach = np.clip(1 + brain * (1 / (head.sulcus_depth * self.fold_reach)), 0, 1)
        soft = 0.25 + 6 * c.edge
        ribbon = np.maximum(0.5 - (field - 0.75 * reach) / soft, 2 + brain * (1 / 0.03))
        c.blend(within * np.clip(ribbon, 0, 1) * np.minimum(1, 5 * reach), head.tissues.grey)
        sulcus = np.clip(0.5 - (field - 0.22 * head.sulci * reach) / soft, 0, 1)
        c.blend(within * sulcus * np.minimum(1, 2.5 * reach) * 0.85, head.tissues.csf)


def paint_flesh(c: Canvas, head: Head, shape: Distance) -> None:
    """Draw muscle with streaks of fat."""
    p, t = c.points, head.tissues
    streaks = np.clip(head.grain(p.x * 0.6, p.y) - 0.9, 0, 1)
    c.paint(shape, t.muscle + streaks * (0.7 * (t.fat - t.muscle)))


def paint_folia(c: Canvas, head: Head, shape: Distance, phase: np.ndarray) -> None:
    """Draw cerebellum: fine light and dark leaves, where `phase` in radians counts them."""
    p, t = c.points, head.tissues
    leaves = np.cos(phase + 2 * head.grain(p.x * 0.2, p.y * 0.2)) * (0.35 * (t.white - t.csf))
    c.paint(shape, 0.4 * t.white + 0.6 * t.grey + leaves)
