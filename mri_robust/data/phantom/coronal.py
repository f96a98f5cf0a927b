"""Coronal planes, seen from the front: through the sella, and through the cerebellum behind it."""

from __future__ import annotations

import numpy as np

from mri_robust.data.phantom.canvas import Canvas, Distance, Points, cut, joined
from mri_robust.data.phantom.head import Head
from mri_robust.data.phantom.scene import Scene, paint_flesh, paint_folia

UPPER = ((-np.pi - 0.25, 0.25),)


def _mid_cavity(points: Points) -> Distance:
    top = cut(points.ellipse((0, -0.2), (0.57, 0.54)), points.y - np.float32(0.17))
    temporal = points.mirrored.ellipse((0.32, 0.12), (0.24, 0.19), -0.2)
    return joined(top, temporal, 0.1)


def _mid_brain(points: Points) -> Distance:
    both = points.mirrored
    top = cut(points.ellipse((0, -0.2), (0.55, 0.52)), points.y - np.float32(0.07) - np.float32(0.15) * both.x)
    return np.minimum(top, both.ellipse((0.33, 0.12), (0.215, 0.17), -0.2))


def _skin(points: Points, head: Head, cavity: Distance) -> Distance:
    vault = cavity - np.float32(head.scalp + head.skull)
    jaw = points.ellipse((0, 0.55), (0.5, 0.5))
    return joined(vault, jaw, 0.25)


def _paint_face(canvas: Canvas, head: Head, skin: Distance) -> None:
    points, tissues = canvas.points, head.tissues
    both = points.mirrored
    paint_flesh(canvas, head, skin + np.float32(1.1 * head.scalp))
    canvas.paint(both.stroke((0.34, 0.5), (0.36, 0.9), 0.07), tissues.bone)
    canvas.paint(both.stroke((0.34, 0.5), (0.36, 0.9), 0.035), 0.7 * tissues.fat)
    canvas.paint(both.ellipse((0.2, 0.5), (0.07, 0.16), 0.25), tissues.muscle)
    canvas.paint(both.stroke((0.1, 0.46), (0.14, 0.62), 0.03), tissues.fat)
    canvas.paint(points.ellipse((0, 0.33), (0.17, 0.095)), tissues.air)
    canvas.line(points.stroke((0.01, 0.25), (-0.01, 0.42), 0.015), tissues.grey, 0.015)
    canvas.paint(points.ellipse((0, 0.56), (0.12, 0.12)), tissues.mucosa)
    canvas.paint(points.ellipse((0, 0.6), (0.075, 0.05)), tissues.air)
    canvas.paint(points.ellipse((0, 0.82), (0.2, 0.11)), tissues.muscle)


def _paint_falx(canvas: Canvas, head: Head, stop: float) -> None:
    points, tissues = canvas.points, head.tissues
    canvas.paint(points.stroke((0, -0.72), (head.midline, stop), 0.07), tissues.grey)
    canvas.line(points.stroke((0, -0.72), (head.midline, stop), 0.022), tissues.csf, 0.022 * head.sulci)
    canvas.line(points.stroke((0, -0.72), (0, stop - 0.08), 0.006), tissues.vessel, 0.006)
    canvas.paint(points.ellipse((0, -0.705), (0.045, 0.03)), tissues.vessel)


def _paint_mid(canvas: Canvas, head: Head) -> None:
    points, tissues, wide = canvas.points, head.tissues, head.ventricles
    both = points.mirrored
    canvas.paint(both.ellipse((0.34, -0.1), (0.05, 0.13), -0.25), tissues.grey)
    canvas.paint(both.stroke((0.53, -0.09), (0.38, -0.03), 0.03), tissues.csf)
    canvas.line(both.stroke((0.38, -0.17), (0.37, 0.0), 0.02), tissues.csf, 0.02 * head.sulci)
    canvas.paint(both.ellipse((0.22, -0.09), (0.07, 0.1), 0.3), 0.5 * (tissues.grey + tissues.white))
    canvas.paint(both.ellipse((0.09, -0.09), (0.07, 0.09)), tissues.grey)
    _paint_falx(canvas, head, -0.36)
    canvas.paint(both.stroke((0.0, -0.325), (0.17, -0.34), 0.05), tissues.white)
    canvas.paint(both.ellipse((0.185, -0.22), (0.035, 0.07), -0.4), tissues.grey)
    horn = cut(both.ellipse((0.085, -0.25), (0.11, 0.045 * wide), -0.5), np.float32(0.006) - both.x)
    canvas.paint(horn, tissues.csf)
    canvas.line(points.stroke((0, -0.17), (0, 0.0), 0.024 * wide), tissues.csf, 0.024 * wide)
    canvas.paint(both.ellipse((0.3, 0.13), (0.04 * wide, 0.02), -0.2), tissues.csf)
    canvas.paint(points.stroke((-0.1, 0.085), (0.1, 0.085), 0.035), tissues.white)
    canvas.paint(points.stroke((0, 0.1), (0, 0.17), 0.014), tissues.vessel)
    canvas.paint(both.ellipse((0.12, 0.19), (0.035, 0.03)), 0.3 * tissues.csf)
    canvas.line(both.arc((0.12, 0.19), (0.045, 0.04), 0.015), tissues.vessel, 0.015)
    canvas.paint(points.ellipse((0, 0.19), (0.075, 0.032)), tissues.mucosa)


def _back_cavity(points: Points) -> Distance:
    top = points.ellipse((0, -0.2), (0.58, 0.54))
    return joined(top, points.ellipse((0, 0.2), (0.45, 0.24)), 0.1)


def _back_cerebellum(points: Points) -> Distance:
    return joined(points.mirrored.ellipse((0.18, 0.23), (0.23, 0.16), 0.1), points.ellipse((0, 0.2), (0.1, 0.15)), 0.05)


def _back_brain(points: Points) -> Distance:
    roof = points.y - np.float32(0.02) - np.float32(0.22) * points.mirrored.x
    return np.minimum(cut(points.ellipse((0, -0.2), (0.56, 0.52)), roof), _back_cerebellum(points))


def _paint_neck(canvas: Canvas, head: Head, skin: Distance) -> None:
    points, tissues = canvas.points, head.tissues
    both = points.mirrored
    paint_flesh(canvas, head, skin + np.float32(1.1 * head.scalp))
    canvas.paint(both.stroke((0.16, 0.56), (0.24, 0.95), 0.03), tissues.fat)
    canvas.paint(both.ellipse((0.42, 0.33), (0.07, 0.12)), tissues.air)
    canvas.paint(points.ellipse((0, 0.75), (0.09, 0.3)), tissues.bone)
    canvas.paint(points.ellipse((0, 0.75), (0.06, 0.3)), tissues.grey)


def _paint_back(canvas: Canvas, head: Head) -> None:
    points, tissues, wide = canvas.points, head.tissues, head.ventricles
    both = points.mirrored
    _paint_falx(canvas, head, 0.02)
    canvas.paint(both.ellipse((0.0, -0.17), (0.12, 0.03)), tissues.white)
    canvas.paint(both.ellipse((0.2, -0.13), (0.045 * wide, 0.1), 0.35), tissues.csf)
    canvas.paint(both.ellipse((0.2, -0.11), (0.018, 0.05), 0.35), tissues.vessel)
    leaf = np.float32(75) * np.hypot(points.x * np.float32(0.7), points.y - np.float32(0.75))
    paint_folia(canvas, head, _back_cerebellum(points), leaf)
    canvas.paint(both.ellipse((0.17, 0.23), (0.1, 0.05)), tissues.white, soft=0.06)
    canvas.paint(points.ellipse((0, 0.3), (0.04 * wide, 0.05)), tissues.csf)
    canvas.line(both.stroke((0.0, 0.03), (0.5, 0.13), 0.02), tissues.vessel, 0.014)
    canvas.paint(both.ellipse((0.5, 0.12), (0.035, 0.025)), tissues.vessel)


MID = Scene("coronal-mid", (0, -0.12), UPPER, (0, 0.18), _mid_cavity, _mid_brain, _skin, _paint_face, _paint_mid)
BACK = Scene("coronal-back", (0, -0.12), UPPER, None, _back_cavity, _back_brain, _skin, _paint_neck, _paint_back)
