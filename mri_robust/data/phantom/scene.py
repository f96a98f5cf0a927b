"""What a view through the head is made of, and the layers that all views share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mri_robust.data.phantom.canvas import Canvas, Distance, Pair, Points, Shape
from mri_robust.data.phantom.head import Head


@dataclass(frozen=True)
class Scene:
    """One plane through the head.

    Attributes:
        name: view and level, such as `axial-mid`.
        centre: a point deep in the brain; folds run towards it, and the dura is seen from it.
        dura: ranges of directions from the centre, in radians clockwise from the right, in which dura can be reached.
        sella: where the pituitary gland lies, None where the plane misses it.
        cavity: distance to the inner skull.
        brain: distance to the brain's surface.
        skin: distance to the outer skin, from the points, the head and the distance to the inner skull.
        paint_outside: draws what lies between skin and skull, given the distance to the skin.
        paint_inside: draws what lies in the cavity, on white matter and folds that are there already.
        fold_reach: how much deeper than usual the sulci run; tall near the top of the head.
    """

    name: str
    centre: Pair
    dura: tuple[Pair, ...]
    sella: Pair | None
    cavity: Shape
    brain: Shape
    skin: Callable[[Points, Head, Distance], Distance]
    paint_outside: Callable[[Canvas, Head, Distance], None]
    paint_inside: Callable[[Canvas, Head], None]
    fold_reach: float = 1.0


@dataclass(frozen=True)
class Layers:
    """Where the layers of a drawn head lie, as distances [H, W]."""

    skin: Distance
    cavity: Distance
    brain: Distance


def paint_head(canvas: Canvas, head: Head, scene: Scene) -> Layers:
    """Draw the head without a tumour, from the scalp inwards."""
    points, tissues = canvas.points, head.tissues
    cavity = scene.cavity(points)
    layers = Layers(scene.skin(points, head, cavity), cavity, scene.brain(points))
    canvas.paint(layers.skin, tissues.fat)
    canvas.line(np.abs(layers.skin + np.float32(0.01)) - np.float32(0.008), 0.7 * tissues.fat, 0.016)
    scene.paint_outside(canvas, head, layers.skin)
    canvas.paint(cavity - np.float32(head.skull), tissues.bone)
    diploe = np.abs(cavity - np.float32(0.5 * head.skull)) - np.float32(0.2 * head.skull)
    canvas.line(diploe, 0.6 * tissues.grey, 0.25 * head.skull)
    canvas.paint(cavity, tissues.csf)
    canvas.paint(layers.brain, tissues.white)
    paint_cortex(canvas, head, layers.brain, scene)
    scene.paint_inside(canvas, head)
    return layers


def paint_cortex(canvas: Canvas, head: Head, brain: Distance, scene: Scene) -> None:
    """Draw the grey ribbon along the brain's surface, and the sulci that carry it inwards."""
    points, tissues = canvas.points, head.tissues
    within = canvas.cover(brain)
    angle = np.arctan2(points.y - np.float32(scene.centre[1]), points.x - np.float32(scene.centre[0]))
    field = np.abs(head.folds.at(angle + np.float32(0.1) * head.sway.at(points.x, points.y), -brain))
    reach = np.clip(1 + brain * np.float32(1 / (head.sulcus_depth * scene.fold_reach)), 0, 1)
    soft = np.float32(0.25 + 6 * canvas.edge)
    rind = np.float32(2) + brain * np.float32(1 / 0.03)
    ribbon = np.maximum(np.float32(0.5) - (field - np.float32(0.75) * reach) / soft, rind)
    canvas.blend(within * np.clip(ribbon, 0, 1) * np.minimum(1, 5 * reach), tissues.grey)
    sulcus = np.clip(0.5 - (field - np.float32(0.22 * head.sulci) * reach) / soft, 0, 1)
    canvas.blend(within * sulcus * np.minimum(1, 2.5 * reach) * np.float32(0.85), tissues.csf)


def paint_flesh(canvas: Canvas, head: Head, shape: Distance) -> None:
    """Draw muscle with streaks of fat."""
    tissues = head.tissues
    streaks = np.clip(head.grain.at(canvas.points.x * np.float32(0.6), canvas.points.y) - np.float32(0.9), 0, 1)
    canvas.paint(shape, tissues.muscle + streaks * np.float32(0.7 * (tissues.fat - tissues.muscle)))


def paint_folia(canvas: Canvas, head: Head, shape: Distance, phase: np.ndarray) -> None:
    """Draw cerebellum: fine light and dark leaves, where `phase` in radians counts them."""
    points, tissues = canvas.points, head.tissues
    sway = 2 * head.grain.at(points.x * np.float32(0.2), points.y * np.float32(0.2))
    leaves = np.cos(phase + sway) * np.float32(0.35 * (tissues.white - tissues.csf))
    canvas.paint(shape, 0.4 * tissues.white + 0.6 * tissues.grey + leaves)


def no_outside(canvas: Canvas, head: Head, skin: Distance) -> None:
    """Draw nothing between scalp and skull."""


def vault_skin(points: Points, head: Head, cavity: Distance) -> Distance:
    """Scalp that follows the skull all around."""
    return cavity - np.float32(head.skull + head.scalp)
