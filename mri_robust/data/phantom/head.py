"""What is drawn at random for one head: pose, proportions, tissue brightness, folds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mri_robust.data.phantom.canvas import Canvas, Points
from mri_robust.data.phantom.waves import Waves, fold_waves, plane_waves


@dataclass(frozen=True)
class Tissues:
    """Brightness of each tissue in a T1 image after contrast agent, 0 to 1."""

    air: float
    bone: float
    csf: float
    grey: float
    white: float
    muscle: float
    mucosa: float
    fat: float
    vessel: float


@dataclass(frozen=True)
class Pose:
    """How the head lies in the picture.

    Attributes:
        turn: rotation in radians.
        shift: displacement (x, y); the picture spans -1 to 1.
        zoom: picture units per head unit, for x and y.
        flip: mirrored left to right.
    """

    turn: float
    shift: tuple[float, float]
    zoom: tuple[float, float]
    flip: bool


@dataclass(frozen=True)
class Head:
    """One head.

    Attributes:
        pose: how it lies in the picture.
        tissues: how bright its tissues are.
        scalp, skull: thickness of scalp and skull in head units.
        ventricles: width of the ventricles, 1 is usual.
        sulci: width of the sulci, 1 is usual.
        sulcus_depth: how far the folds reach inwards, in head units.
        midline: how the fissure between the hemispheres sways, in head units.
        bend: two fields that displace everything a little, so that no head is an ellipse.
        folds: sulci over (angle, depth).
        sway: what bends the sulci sideways.
        grain: fine variation of tissue.
    """

    pose: Pose
    tissues: Tissues
    scalp: float
    skull: float
    ventricles: float
    sulci: float
    sulcus_depth: float
    midline: float
    bend: tuple[Waves, Waves]
    folds: Waves
    sway: Waves
    grain: Waves

    def points(self, size: int) -> Points:
        """Head coordinates of the pixel centres of a picture of `size` x `size`."""
        axis = ((np.arange(size, dtype=np.float32) + 0.5) * (2 / size) - 1).astype(np.float32)
        shift = self.pose.shift
        right = axis[None, :] - np.float32(shift[0])
        down = axis[:, None] - np.float32(shift[1])
        cos, sin = np.float32(np.cos(self.pose.turn)), np.float32(np.sin(self.pose.turn))
        side = -1 if self.pose.flip else 1
        x = (right * cos + down * sin) * np.float32(side / self.pose.zoom[0])
        y = (down * cos - right * sin) * np.float32(1 / self.pose.zoom[1])
        across, along = self.bend
        return Points(x + np.float32(0.012) * across.at(x, y), y + np.float32(0.012) * along.at(x, y))

    def canvas(self, size: int) -> Canvas:
        """A black canvas over this head."""
        edge = float(np.hypot(2 / size / self.pose.zoom[0], 0.008))
        return Canvas(self.points(size), edge, np.zeros((size, size), np.float32))


def draw_head(rng: np.random.Generator) -> Head:
    """Draw a head at random; the order of the draws is part of the data set's version."""
    return Head(
        pose=_draw_pose(rng),
        tissues=_draw_tissues(rng),
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


def _draw_pose(rng: np.random.Generator) -> Pose:
    zoom = rng.uniform(0.88, 1.08)
    stretch = rng.uniform(0.94, 1.06)
    return Pose(
        turn=rng.normal(0, 0.05),
        shift=(rng.normal(0, 0.04), rng.normal(0, 0.04)),
        zoom=(zoom * stretch, zoom / stretch),
        flip=bool(rng.random() < 0.5),
    )


def _draw_tissues(rng: np.random.Generator) -> Tissues:
    white = rng.uniform(0.34, 0.44)
    return Tissues(
        air=rng.uniform(0.0, 0.02),
        bone=rng.uniform(0.03, 0.07),
        csf=white * rng.uniform(0.2, 0.45),
        grey=white * rng.uniform(0.72, 0.88),
        white=white,
        muscle=white * rng.uniform(0.6, 0.95),
        mucosa=white * rng.uniform(1.2, 1.6),
        fat=rng.uniform(0.5, 0.74),
        vessel=white * rng.uniform(1.3, 1.7),
    )
