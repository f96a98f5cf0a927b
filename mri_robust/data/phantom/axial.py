"""Axial planes, the face at the top: above the ventricles, through them, and through the sella."""

from __future__ import annotations

import numpy as np

from mri_robust.data.phantom.canvas import Canvas, Distance, Points, cut, joined
from mri_robust.data.phantom.head import Head
from mri_robust.data.phantom.scene import Scene, no_outside, paint_flesh, paint_folia, vault_skin

FULL_TURN = ((-np.pi, np.pi),)


def _mid_cavity(points: Points) -> Distance:
    # The head is wider behind the ears than at the forehead.
    wide = Points(points.x * (np.float32(1) - np.float32(0.14) * points.y), points.y)
    return wide.ellipse((0, 0), (0.57, 0.73))


def _mid_brain(points: Points) -> Distance:
    return _mid_cavity(points) + np.float32(0.02)


def _paint_fissure(canvas: Canvas, head: Head, front: float, back: float) -> None:
    points, tissues = canvas.points, head.tissues
    for start, stop in ((-0.74, front), (back, 0.74)):
        middle = (start + stop) / 2
        canvas.paint(points.stroke((0, start), (head.midline, middle), 0.075), tissues.grey)
        canvas.paint(points.stroke((head.midline, middle), (0, stop), 0.075), tissues.grey)
        canvas.line(points.stroke((0, start), (head.midline, middle), 0.022), tissues.csf, 0.022 * head.sulci)
        canvas.line(points.stroke((head.midline, middle), (0, stop), 0.022), tissues.csf, 0.022 * head.sulci)
        canvas.line(points.stroke((0, start), (0, stop), 0.006), tissues.vessel, 0.006)
    canvas.paint(points.ellipse((0, 0.715), (0.04, 0.03)), tissues.vessel)


def _paint_high(canvas: Canvas, head: Head) -> None:
    points, tissues = canvas.points, head.tissues
    both = points.mirrored
    canvas.paint(both.stroke((0.1, 0.08), (0.22, 0.0), 0.05), tissues.grey)
    canvas.line(both.stroke((0.1, 0.08), (0.22, 0.0), 0.02), tissues.csf, 0.015 * head.sulci)
    _paint_fissure(canvas, head, 0.0, 0.0)


def _paint_mid(canvas: Canvas, head: Head) -> None:
    points, tissues, wide = canvas.points, head.tissues, head.ventricles
    both = points.mirrored
    canvas.paint(both.ellipse((0.34, -0.02), (0.045, 0.2), 0.12), tissues.grey)
    canvas.paint(both.stroke((0.53, -0.16), (0.4, -0.03), 0.03), tissues.csf)
    canvas.line(both.stroke((0.4, -0.12), (0.4, 0.12), 0.02), tissues.csf, 0.02 * head.sulci)
    canvas.paint(both.ellipse((0.23, -0.03), (0.06, 0.13), 0.3), 0.5 * (tissues.grey + tissues.white))
    canvas.paint(both.ellipse((0.1, 0.06), (0.075, 0.12), 0.35), tissues.grey)
    canvas.paint(both.ellipse((0.145, -0.18), (0.045, 0.1), -0.25), tissues.grey)
    _paint_fissure(canvas, head, -0.3, 0.27)
    horn = cut(both.ellipse((0.075, -0.17), (0.05 * wide, 0.13), -0.3), np.float32(0.006) - both.x)
    back = both.ellipse((0.21, 0.27), (0.035 * wide, 0.16), -0.3)
    canvas.paint(both.stroke((0.05, -0.1), (0.12, 0.14), 0.02 * wide), tissues.csf)
    canvas.paint(joined(horn, back, 0.04), tissues.csf)
    canvas.paint(both.ellipse((0.19, 0.23), (0.02, 0.045), -0.3), tissues.vessel)
    canvas.line(points.stroke((0, -0.02), (0, 0.14), 0.022 * wide), tissues.csf, 0.022 * wide)


def _low_cavity(points: Points) -> Distance:
    both = points.mirrored
    temporal = both.ellipse((0.31, -0.08), (0.25, 0.25), 0.25)
    behind = points.ellipse((0, 0.3), (0.53, 0.43))
    middle = points.ellipse((0, 0.02), (0.3, 0.17))
    return joined(joined(temporal, behind, 0.12), middle, 0.08)


def _cerebellum(points: Points) -> Distance:
    pons = points.ellipse((0, 0.12), (0.15, 0.11))
    return joined(points.mirrored.ellipse((0.2, 0.39), (0.29, 0.27), -0.2), pons, 0.06)


def _low_brain(points: Points) -> Distance:
    temporal = points.mirrored.ellipse((0.325, -0.07), (0.215, 0.22), 0.25)
    return cut(np.minimum(temporal, _cerebellum(points)), _low_cavity(points) + np.float32(0.02))


def _low_skin(points: Points, head: Head, cavity: Distance) -> Distance:
    around = np.float32(head.scalp + head.skull)
    outline = points.ellipse((0, 0.02), (0.59, 0.76)) - around
    nose = points.ellipse((0, -0.84), (0.1, 0.12))
    return joined(joined(outline, cavity - around, 0.1), nose, 0.1)


def _paint_face(canvas: Canvas, head: Head, skin: Distance) -> None:
    points, tissues = canvas.points, head.tissues
    both = points.mirrored
    paint_flesh(canvas, head, skin + np.float32(0.8 * head.scalp))
    canvas.paint(both.ellipse((0.27, -0.44), (0.2, 0.27), -0.2), tissues.bone)
    canvas.paint(both.ellipse((0.27, -0.46), (0.165, 0.24), -0.2), tissues.fat)
    canvas.paint(both.stroke((0.36, -0.5), (0.22, -0.25), 0.035), tissues.muscle)
    canvas.paint(both.stroke((0.18, -0.5), (0.16, -0.25), 0.03), tissues.muscle)
    canvas.paint(both.stroke((0.27, -0.5), (0.17, -0.24), 0.02), tissues.white)
    canvas.paint(both.ellipse((0.28, -0.58), (0.12, 0.115)), tissues.grey)
    canvas.paint(both.ellipse((0.28, -0.58), (0.105, 0.1)), tissues.csf)
    canvas.paint(both.ellipse((0.28, -0.67), (0.04, 0.02)), tissues.grey)
    canvas.paint(points.ellipse((0, -0.5), (0.1, 0.3)), tissues.air)
    for x in (0.0, 0.055):
        canvas.line(both.stroke((x, -0.75), (x, -0.36), 0.02), tissues.mucosa, 0.02)
    canvas.paint(points.ellipse((0, -0.27), (0.12, 0.085)), tissues.air)
    canvas.paint(both.stroke((0.38, 0.12), (0.56, 0.18), 0.1), tissues.bone)


def _paint_low(canvas: Canvas, head: Head) -> None:
    points, tissues = canvas.points, head.tissues
    both = points.mirrored
    leaf = np.float32(62) * np.hypot(points.x, points.y - np.float32(0.1))
    paint_folia(canvas, head, _cerebellum(points), leaf)
    canvas.paint(points.ellipse((0, 0.12), (0.15, 0.11)), tissues.white)
    canvas.paint(both.stroke((0.1, 0.2), (0.17, 0.34), 0.12), tissues.white, soft=0.04)
    canvas.paint(points.ellipse((0, 0.4), (0.045, 0.17)), tissues.grey)
    canvas.paint(points.ellipse((0, 0.27), (0.06 * head.ventricles, 0.035)), tissues.csf)
    canvas.paint(both.stroke((0.27, 0.17), (0.53, 0.12), 0.06), tissues.bone)
    canvas.paint(both.stroke((0.3, 0.16), (0.33, 0.155), 0.03), tissues.grey)
    canvas.paint(both.ellipse((0.3, 0.02), (0.025, 0.06), 0.3), tissues.csf)
    canvas.paint(points.ellipse((0, -0.015), (0.022, 0.022)), tissues.vessel)
    canvas.paint(both.ellipse((0.105, -0.12), (0.03, 0.04)), tissues.vessel)
    canvas.paint(points.ellipse((0, -0.13), (0.055, 0.035)), tissues.mucosa)
    canvas.line(both.arc((0.2, 0.45), (0.38, 0.3), 0.025, -0.2), tissues.vessel, 0.01)


HIGH = Scene("axial-high", (0, 0), FULL_TURN, None, _mid_cavity, _mid_brain, vault_skin, no_outside, _paint_high, 1.9)
MID = Scene("axial-mid", (0, 0), FULL_TURN, None, _mid_cavity, _mid_brain, vault_skin, no_outside, _paint_mid)
LOW = Scene(
    name="axial-low",
    centre=(0, 0.18),
    dura=((-0.65, np.pi + 0.65),),
    sella=(0, -0.13),
    cavity=_low_cavity,
    brain=_low_brain,
    skin=_low_skin,
    paint_outside=_paint_face,
    paint_inside=_paint_low,
)
