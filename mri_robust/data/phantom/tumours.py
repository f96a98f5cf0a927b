"""The three tumours: what is drawn at random for each, and how it is painted on the head."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from mri_robust.data.phantom.canvas import Canvas, Distance, Pair, cut, joined
from mri_robust.data.phantom.head import Head
from mri_robust.data.phantom.scene import Layers

Rim = tuple[Pair, ...]


@dataclass(frozen=True)
class Lesion:
    """Where a tumour came to lie, as distances [H, W].

    Attributes:
        mass: the tumour itself.
        reach: everything that it changes: the tumour, its oedema, the dura beside it.
    """

    mass: Distance
    reach: Distance


class Tumour(Protocol):
    """The drawn parameters of a tumour."""

    def paint(self, canvas: Canvas, head: Head, layers: Layers) -> Lesion:
        """Draw the tumour over the finished head, and say where it lies."""
        ...


@dataclass(frozen=True)
class Glioma:
    """Irregular, inside the brain: a bright ring around a dark necrotic core, in oedema.

    Attributes:
        centre, radius: place and mean radius in head units.
        rim, core_rim, oedema_rim: how the three outlines waver.
        core_centre, core: place of the necrosis, and its radius as a share of the tumour's.
        oedema: radius of the oedema as a multiple of the tumour's.
        gain: how much brighter than white matter the ring is.
    """

    centre: Pair
    radius: float
    rim: Rim
    core_rim: Rim
    oedema_rim: Rim
    core_centre: Pair
    core: float
    oedema: float
    gain: float

    def paint(self, canvas: Canvas, head: Head, layers: Layers) -> Lesion:
        """Draw the tumour over the finished head, and say where it lies."""
        points, tissues = canvas.points, head.tissues
        within = layers.brain + np.float32(0.01)
        infiltrated = cut(points.blob(self.centre, self.radius * self.oedema * 1.5, self.oedema_rim), within)
        swollen = cut(points.blob(self.centre, self.radius * self.oedema, self.oedema_rim), within)
        mass = cut(points.blob(self.centre, self.radius, self.rim), within)
        grain = head.grain.at(points.x, points.y)
        # Cells beyond the oedema leave no border, just a faint mottling.
        canvas.value += canvas.cover(infiltrated, 0.1) * np.float32(0.06 * tissues.white) * (grain - np.float32(0.6))
        canvas.paint(swollen, 0.45 * tissues.white + 0.3 * tissues.csf, soft=0.07, opacity=0.8)
        canvas.paint(mass, tissues.white + np.float32(self.gain) * (1 + np.float32(0.16) * grain))
        necrosis = points.blob(self.core_centre, self.radius * self.core, self.core_rim)
        canvas.paint(cut(necrosis, within), 0.8 * tissues.csf + np.float32(0.015) * grain, soft=0.02)
        return Lesion(mass, np.minimum(mass, infiltrated) - np.float32(0.05))


@dataclass(frozen=True)
class Meningioma:
    """Round and evenly bright, broad-based on the dura, with a tail of bright dura and a cleft of CSF.

    Attributes:
        centre, radius: place and mean radius in head units.
        rim: how the outline wavers.
        base: the point of the dura that it grows from.
        spokes: number of vessels around the base.
        tail: how far the bright dura extends, as a multiple of the radius.
        gain: how much brighter than white matter the tumour is.
    """

    centre: Pair
    radius: float
    rim: Rim
    base: Pair
    spokes: int
    tail: float
    gain: float

    def paint(self, canvas: Canvas, head: Head, layers: Layers) -> Lesion:
        """Draw the tumour over the finished head, and say where it lies."""
        points, tissues = canvas.points, head.tissues
        ball = points.blob(self.centre, self.radius, self.rim)
        mass = cut(ball, layers.cavity)
        cleft = cut(ball - np.float32(0.02), layers.cavity)
        along = points.blob(self.centre, self.radius * self.tail, ())
        tail = cut(np.abs(layers.cavity + np.float32(0.008)) - np.float32(0.012), along)
        bright = tissues.white + self.gain
        canvas.paint(cleft, tissues.csf, opacity=0.8)
        canvas.paint(tail, bright)
        # Its vessels run from the base like spokes.
        x, y = points.x - np.float32(self.base[0]), points.y - np.float32(self.base[1])
        spokes = np.cos(np.float32(self.spokes) * np.arctan2(y, x))
        canvas.paint(mass, bright + np.float32(0.012) * (spokes + head.grain.at(points.x, points.y)))
        return Lesion(mass, np.minimum(cleft, tail))


@dataclass(frozen=True)
class PituitaryTumour:
    """A mass in the sella that rises above it, waisted where it passes the diaphragm.

    Attributes:
        centre, radius: place and radius of the part inside the sella, in head units.
        top, top_radius: place and radius of the part above it.
        rim: how both outlines waver.
        cyst: radius of a dark cyst as a share of `top_radius`, 0 for none.
        gain: how much brighter than white matter the tumour is.
    """

    centre: Pair
    radius: float
    top: Pair
    top_radius: float
    rim: Rim
    cyst: float
    gain: float

    def paint(self, canvas: Canvas, head: Head, layers: Layers) -> Lesion:
        """Draw the tumour over the finished head, and say where it lies."""
        points, tissues = canvas.points, head.tissues
        below = points.blob(self.centre, self.radius, self.rim)
        mass = joined(below, points.blob(self.top, self.top_radius, self.rim), 0.03)
        canvas.paint(mass - np.float32(0.012), tissues.csf, opacity=0.6)
        grain = head.grain.at(points.x, points.y)
        canvas.paint(mass, tissues.white + np.float32(self.gain) * (1 + np.float32(0.08) * grain))
        if self.cyst:
            canvas.paint(points.blob(self.top, self.top_radius * self.cyst, self.rim), 0.6 * tissues.white, soft=0.02)
        return Lesion(mass, mass - np.float32(0.012))
