"""Sagittal planes, the face to the left: the midline, and one through the eye."""

from __future__ import annotations

import numpy as np

from mri_robust.data.phantom.canvas import Canvas, Distance, Points, cut, joined
from mri_robust.data.phantom.head import Head
from mri_robust.data.phantom.scene import Scene, paint_flesh, paint_folia

FRONT_TO_BACK = ((-np.pi - 0.05, 0.35),)


def _base(points: Points) -> Distance:
    # The skull base falls from the forehead over the sella to the back of the head.
    return points.y - np.float32(0.1) - np.float32(0.12) * points.x


def _mid_cavity(points: Points) -> Distance:
    top = cut(points.ellipse((0.02, -0.17), (0.71, 0.5)), _base(points))
    behind = points.ellipse((0.36, 0.14), (0.29, 0.25), -0.35)
    canal = points.stroke((0.13, 0.1), (0.17, 1.2), 0.15)
    return joined(joined(top, behind, 0.12), canal, 0.06)


def _cerebellum(points: Points) -> Distance:
    return points.ellipse((0.37, 0.19), (0.2, 0.155), -0.3)


def _stem(points: Points) -> Distance:
    pons = joined(points.ellipse((0.1, 0.16), (0.085, 0.1), 0.2), points.stroke((0.06, 0.0), (0.1, 0.16), 0.13), 0.05)
    return joined(pons, points.stroke((0.12, 0.2), (0.17, 1.2), 0.085), 0.06)


def _cerebrum(points: Points, base: Distance) -> Distance:
    return cut(points.ellipse((0.02, -0.17), (0.69, 0.48)), base + np.float32(0.02))


def _mid_brain(points: Points) -> Distance:
    tentorium = points.y - np.float32(0.09) + np.float32(0.25) * (points.x - np.float32(0.2))
    cerebrum = cut(_cerebrum(points, _base(points)), np.minimum(tentorium, points.x - np.float32(0.18)))
    return np.minimum(np.minimum(cerebrum, _cerebellum(points)), _stem(points))


def _skin(points: Points, head: Head, cavity: Distance) -> Distance:
    around = np.float32(head.scalp + head.skull)
    vault = points.ellipse((0.02, -0.17), (0.71, 0.5)) - around
    behind = points.ellipse((0.36, 0.14), (0.29, 0.25), -0.35) - around
    face = points.ellipse((-0.4, 0.42), (0.34, 0.48))
    nose = points.ellipse((-0.76, 0.36), (0.1, 0.09), 0.6)
    lips = points.ellipse((-0.71, 0.62), (0.07, 0.1))
    neck = cut(points.x - np.float32(0.46), cut(np.float32(-0.35) - points.x, np.float32(0.2) - points.y))
    return joined(joined(joined(vault, behind, 0.1), joined(joined(face, nose, 0.1), lips, 0.04), 0.12), neck, 0.12)


def _paint_face(canvas: Canvas, head: Head, skin: Distance) -> None:
    points, tissues = canvas.points, head.tissues
    paint_flesh(canvas, head, skin + np.float32(1.1 * head.scalp))
    for y in (0.5, 0.68, 0.86):
        canvas.paint(points.ellipse((0.02, y + 0.06), (0.065, 0.07)), 0.6 * tissues.fat)
    canvas.paint(points.stroke((-0.1, 0.42), (-0.07, 1.0), 0.06), tissues.air)
    canvas.paint(points.ellipse((-0.4, 0.35), (0.24, 0.095)), tissues.air)
    canvas.line(points.stroke((-0.6, 0.35), (-0.22, 0.37), 0.045), tissues.mucosa, 0.045)
    canvas.line(points.stroke((-0.56, 0.43), (-0.22, 0.44), 0.04), tissues.mucosa, 0.04)
    canvas.paint(points.stroke((-0.62, 0.5), (-0.2, 0.49), 0.035), tissues.bone)
    canvas.paint(points.ellipse((-0.36, 0.68), (0.22, 0.13)), tissues.muscle)
    canvas.paint(points.stroke((0.02, 0.2), (0.07, 0.44), 0.13), tissues.bone)
    canvas.paint(points.stroke((0.015, 0.23), (0.055, 0.42), 0.075), 0.75 * tissues.fat)
    canvas.paint(points.ellipse((-0.16, 0.25), (0.11, 0.085)), tissues.air)
    canvas.paint(points.ellipse((-0.66, 0.07), (0.04, 0.09), 0.25), tissues.air)


def _paint_mid(canvas: Canvas, head: Head) -> None:
    points, tissues, wide = canvas.points, head.tissues, head.ventricles
    above = points.y + np.float32(0.06)
    canvas.paint(points.arc((-0.01, -0.09), (0.32, 0.24), 0.05), tissues.grey, opacity=0.7)
    deep = cut(points.ellipse((-0.01, -0.08), (0.25, 0.16)), above)
    canvas.paint(deep, tissues.csf)
    canvas.paint(cut(points.arc((-0.01, -0.08), (0.235, 0.155), 0.065), above), tissues.white)
    canvas.paint(points.ellipse((-0.215, -0.1), (0.045, 0.06)), tissues.white)
    canvas.paint(points.ellipse((0.215, -0.07), (0.05, 0.055)), tissues.white)
    canvas.line(cut(points.arc((-0.01, -0.02), (0.16, 0.13 / wide), 0.03), above), tissues.white, 0.03)
    canvas.paint(points.ellipse((0.03, -0.05), (0.12, 0.065), 0.2), tissues.grey)
    canvas.paint(points.ellipse((-0.13, 0.04), (0.06, 0.05)), tissues.grey)
    leaf = np.float32(18) * np.arctan2(points.y - np.float32(0.17), points.x - np.float32(0.24))
    paint_folia(canvas, head, _cerebellum(points), leaf)
    canvas.paint(points.stroke((0.24, 0.16), (0.37, 0.2), 0.04), tissues.white, soft=0.04)
    canvas.paint(_stem(points), tissues.white)
    canvas.paint(points.ellipse((0.205, 0.16), (0.03 * wide, 0.065), -0.2), tissues.csf)
    canvas.line(points.stroke((0.13, 0.0), (0.19, 0.12), 0.016), tissues.csf, 0.016)
    canvas.line(points.stroke((0.25, -0.03), (0.62, 0.09), 0.02), tissues.vessel, 0.02)
    canvas.paint(points.stroke((-0.09, 0.09), (-0.16, 0.07), 0.025), tissues.white)
    canvas.line(points.stroke((-0.09, 0.1), (-0.1, 0.15), 0.012), tissues.vessel, 0.012)
    canvas.paint(points.stroke((-0.2, 0.19), (-0.06, 0.19), 0.05), tissues.bone)
    canvas.paint(points.ellipse((-0.115, 0.165), (0.05, 0.035)), tissues.mucosa)


def _side_cavity(points: Points) -> Distance:
    top = cut(points.ellipse((0.02, -0.17), (0.68, 0.48)), points.y - np.float32(0.06))
    temporal = points.ellipse((-0.12, 0.12), (0.3, 0.15), 0.1)
    behind = points.ellipse((0.37, 0.16), (0.25, 0.2), -0.3)
    return joined(joined(top, temporal, 0.1), behind, 0.08)


def _side_cerebellum(points: Points) -> Distance:
    return points.ellipse((0.37, 0.19), (0.21, 0.145), -0.25)


def _side_brain(points: Points) -> Distance:
    top = cut(points.ellipse((0.02, -0.17), (0.66, 0.46)), points.y - np.float32(0.04))
    temporal = points.ellipse((-0.12, 0.12), (0.28, 0.13), 0.1)
    return np.minimum(np.minimum(top, temporal), _side_cerebellum(points))


def _paint_eye(canvas: Canvas, head: Head, skin: Distance) -> None:
    points, tissues = canvas.points, head.tissues
    paint_flesh(canvas, head, skin + np.float32(1.1 * head.scalp))
    canvas.paint(points.ellipse((-0.56, 0.15), (0.19, 0.13), 0.1), tissues.bone)
    canvas.paint(points.ellipse((-0.57, 0.15), (0.16, 0.105), 0.1), tissues.fat)
    canvas.paint(points.stroke((-0.58, 0.08), (-0.42, 0.16), 0.025), tissues.muscle)
    canvas.paint(points.stroke((-0.58, 0.22), (-0.42, 0.17), 0.025), tissues.muscle)
    canvas.paint(points.ellipse((-0.63, 0.15), (0.085, 0.085)), tissues.csf)
    canvas.paint(points.ellipse((-0.5, 0.4), (0.13, 0.1)), tissues.air)
    canvas.paint(points.stroke((-0.55, 0.62), (-0.2, 0.64), 0.06), tissues.bone)
    canvas.paint(points.stroke((-0.05, 0.35), (0.1, 0.37), 0.09), tissues.bone)


def _paint_side(canvas: Canvas, head: Head) -> None:
    points, tissues, wide = canvas.points, head.tissues, head.ventricles
    canvas.paint(points.ellipse((0.0, -0.12), (0.2, 0.08), 0.1), tissues.grey)
    curve = cut(points.arc((0.08, -0.08), (0.2, 0.14), 0.06 * wide, 0.2), np.float32(-0.06) - points.x)
    canvas.paint(cut(curve, np.float32(0.3) * points.y - points.x + np.float32(0.0)), tissues.csf)
    canvas.paint(points.ellipse((0.25, -0.05), (0.025, 0.05)), tissues.vessel)
    canvas.paint(points.stroke((-0.36, 0.05), (0.1, -0.01), 0.024), tissues.csf)
    leaf = np.float32(75) * np.hypot(points.x - np.float32(0.2), points.y - np.float32(0.1))
    paint_folia(canvas, head, _side_cerebellum(points), leaf)
    canvas.paint(points.ellipse((0.33, 0.18), (0.08, 0.04)), tissues.white, soft=0.05)
    canvas.line(points.stroke((0.18, 0.05), (0.6, 0.05), 0.02), tissues.vessel, 0.014)


MID = Scene(
    "sagittal-mid", (0, -0.15), FRONT_TO_BACK, (-0.115, 0.15), _mid_cavity, _mid_brain, _skin, _paint_face, _paint_mid
)
SIDE = Scene(
    "sagittal-side", (0, -0.15), FRONT_TO_BACK, None, _side_cavity, _side_brain, _skin, _paint_eye, _paint_side
)
