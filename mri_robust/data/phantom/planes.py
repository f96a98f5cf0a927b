"""The planes through the head: axial with the face at the top, coronal from the front, sagittal with the face left."""

import numpy as np

from mri_robust.data.phantom.canvas import Canvas, Distance, Pair, Points, cut, joined
from mri_robust.data.phantom.head import Head, Scene, Tissues


class _AxialHigh(Scene):
    """Above the ventricles."""

    name, fold_reach, flesh = "axial-high", 1.9, None

    def surfaces(self, p: Points) -> tuple[Distance, Distance]:
        cavity = Points(p.x * (1 - 0.14 * p.y), p.y).ellipse((0, 0), (0.57, 0.73))  # wider behind the ears
        return cavity, cavity + 0.02

    def inside(self, c: Canvas, p: Points, both: Points, t: Tissues, head: Head) -> None:
        c.paint(t.grey, both.stroke((0.1, 0.08), (0.22, 0.0), 0.05))
        c.line(t.csf, 0.015 * head.sulci, both.stroke((0.1, 0.08), (0.22, 0.0), 0.02))
        self._paint_fissure(c, p, t, head, 0.0, 0.0)

    def _paint_fissure(self, c: Canvas, p: Points, t: Tissues, head: Head, front: float, back: float) -> None:
        for start, stop in ((-0.74, front), (back, 0.74)):
            middle = (head.midline, (start + stop) / 2)
            c.paint(t.grey, p.stroke((0, start), middle, 0.075), p.stroke(middle, (0, stop), 0.075))
            c.line(t.csf, 0.022 * head.sulci, p.stroke((0, start), middle, 0.022), p.stroke(middle, (0, stop), 0.022))
            c.line(t.vessel, 0.006, p.stroke((0, start), (0, stop), 0.006))
        c.paint(t.vessel, p.ellipse((0, 0.715), (0.04, 0.03)))


class _AxialMid(_AxialHigh):
    """Through the ventricles."""

    name, fold_reach = "axial-mid", 1.0

    def inside(self, c: Canvas, p: Points, both: Points, t: Tissues, head: Head) -> None:
        wide = head.ventricles
        c.paint(t.grey, both.ellipse((0.34, -0.02), (0.045, 0.2), 0.12))
        c.paint(t.csf, both.stroke((0.53, -0.16), (0.4, -0.03), 0.03))
        c.line(t.csf, 0.02 * head.sulci, both.stroke((0.4, -0.12), (0.4, 0.12), 0.02))
        c.paint(0.5 * (t.grey + t.white), both.ellipse((0.23, -0.03), (0.06, 0.13), 0.3))
        c.paint(t.grey, both.ellipse((0.1, 0.06), (0.075, 0.12), 0.35))
        c.paint(t.grey, both.ellipse((0.145, -0.18), (0.045, 0.1), -0.25))
        self._paint_fissure(c, p, t, head, -0.3, 0.27)
        horn = cut(both.ellipse((0.075, -0.17), (0.05 * wide, 0.13), -0.3), 0.006 - both.x)
        back = both.ellipse((0.21, 0.27), (0.035 * wide, 0.16), -0.3)
        c.paint(t.csf, both.stroke((0.05, -0.1), (0.12, 0.14), 0.02 * wide), joined(horn, back, 0.04))
        c.paint(t.vessel, both.ellipse((0.19, 0.23), (0.02, 0.045), -0.3))
        c.line(t.csf, 0.022 * wide, p.stroke((0, -0.02), (0, 0.14), 0.022 * wide))


class _AxialLow(Scene):
    """Through the sella and the eyes."""

    name, centre, sella, flesh = "axial-low", (0, 0.18), (0, -0.13), 0.8
    dura = (-0.65, np.pi + 0.65)

    def surfaces(self, p: Points) -> tuple[Distance, Distance]:
        temporal = p.mirrored.ellipse((0.31, -0.08), (0.25, 0.25), 0.25)
        behind, middle = p.ellipse((0, 0.3), (0.53, 0.43)), p.ellipse((0, 0.02), (0.3, 0.17))
        cavity = joined(joined(temporal, behind, 0.12), middle, 0.08)
        temporal = p.mirrored.ellipse((0.325, -0.07), (0.215, 0.22), 0.25)
        return cavity, cut(np.minimum(temporal, self._cerebellum(p)), cavity + 0.02)

    def _cerebellum(self, p: Points) -> Distance:
        pons = p.ellipse((0, 0.12), (0.15, 0.11))
        return joined(p.mirrored.ellipse((0.2, 0.39), (0.29, 0.27), -0.2), pons, 0.06)

    def skin(self, p: Points, head: Head, cavity: Distance) -> Distance:
        around = head.scalp + head.skull
        outline, nose = p.ellipse((0, 0.02), (0.59, 0.76)) - around, p.ellipse((0, -0.84), (0.1, 0.12))
        return joined(joined(outline, cavity - around, 0.1), nose, 0.1)

    def outside(self, c: Canvas, p: Points, both: Points, t: Tissues) -> None:
        c.paint(t.bone, both.ellipse((0.27, -0.44), (0.2, 0.27), -0.2))
        c.paint(t.fat, both.ellipse((0.27, -0.46), (0.165, 0.24), -0.2))
        c.paint(t.muscle, both.stroke((0.36, -0.5), (0.22, -0.25), 0.035))
        c.paint(t.muscle, both.stroke((0.18, -0.5), (0.16, -0.25), 0.03))
        c.paint(t.white, both.stroke((0.27, -0.5), (0.17, -0.24), 0.02))
        c.paint(t.grey, both.ellipse((0.28, -0.58), (0.12, 0.115)))
        c.paint(t.csf, both.ellipse((0.28, -0.58), (0.105, 0.1)))
        c.paint(t.grey, both.ellipse((0.28, -0.67), (0.04, 0.02)))
        c.paint(t.air, p.ellipse((0, -0.5), (0.1, 0.3)))
        for x in (0.0, 0.055):
            c.line(t.mucosa, 0.02, both.stroke((x, -0.75), (x, -0.36), 0.02))
        c.paint(t.air, p.ellipse((0, -0.27), (0.12, 0.085)))
        c.paint(t.bone, both.stroke((0.38, 0.12), (0.56, 0.18), 0.1))

    def inside(self, c: Canvas, p: Points, both: Points, t: Tissues, head: Head) -> None:
        self._paint_folia(c, p, t, head, self._cerebellum(p), 62 * np.hypot(p.x, p.y - 0.1))
        c.paint(t.white, p.ellipse((0, 0.12), (0.15, 0.11)))
        c.paint(t.white, both.stroke((0.1, 0.2), (0.17, 0.34), 0.12), soft=0.04)
        c.paint(t.grey, p.ellipse((0, 0.4), (0.045, 0.17)))
        c.paint(t.csf, p.ellipse((0, 0.27), (0.06 * head.ventricles, 0.035)))
        c.paint(t.bone, both.stroke((0.27, 0.17), (0.53, 0.12), 0.06))
        c.paint(t.grey, both.stroke((0.3, 0.16), (0.33, 0.155), 0.03))
        c.paint(t.csf, both.ellipse((0.3, 0.02), (0.025, 0.06), 0.3))
        c.paint(t.vessel, p.ellipse((0, -0.015), (0.022, 0.022)), both.ellipse((0.105, -0.12), (0.03, 0.04)))
        c.paint(t.mucosa, p.ellipse((0, -0.13), (0.055, 0.035)))
        c.line(t.vessel, 0.01, both.arc((0.2, 0.45), (0.38, 0.3), 0.025, -0.2))


class _CoronalMid(Scene):
    """Through the sella."""

    name, centre = "coronal-mid", (0, -0.12)
    sella: Pair | None = (0, 0.18)
    dura = (-np.pi - 0.25, 0.25)

    def surfaces(self, p: Points) -> tuple[Distance, Distance]:
        top = cut(p.ellipse((0, -0.2), (0.57, 0.54)), p.y - 0.17)
        cavity = joined(top, p.mirrored.ellipse((0.32, 0.12), (0.24, 0.19), -0.2), 0.1)
        top = cut(p.ellipse((0, -0.2), (0.55, 0.52)), p.y - 0.07 - 0.15 * np.abs(p.x))
        return cavity, np.minimum(top, p.mirrored.ellipse((0.33, 0.12), (0.215, 0.17), -0.2))

    def skin(self, p: Points, head: Head, cavity: Distance) -> Distance:
        return joined(cavity - (head.scalp + head.skull), p.ellipse((0, 0.55), (0.5, 0.5)), 0.25)

    def outside(self, c: Canvas, p: Points, both: Points, t: Tissues) -> None:
        c.paint(t.bone, both.stroke((0.34, 0.5), (0.36, 0.9), 0.07))
        c.paint(0.7 * t.fat, both.stroke((0.34, 0.5), (0.36, 0.9), 0.035))
        c.paint(t.muscle, both.ellipse((0.2, 0.5), (0.07, 0.16), 0.25))
        c.paint(t.fat, both.stroke((0.1, 0.46), (0.14, 0.62), 0.03))
        c.paint(t.air, p.ellipse((0, 0.33), (0.17, 0.095)))
        c.line(t.grey, 0.015, p.stroke((0.01, 0.25), (-0.01, 0.42), 0.015))
        c.paint(t.mucosa, p.ellipse((0, 0.56), (0.12, 0.12)))
        c.paint(t.air, p.ellipse((0, 0.6), (0.075, 0.05)))
        c.paint(t.muscle, p.ellipse((0, 0.82), (0.2, 0.11)))

    def _paint_falx(self, c: Canvas, p: Points, t: Tissues, head: Head, stop: float) -> None:
        end = (head.midline, stop)
        c.paint(t.grey, p.stroke((0, -0.72), end, 0.07))
        c.line(t.csf, 0.022 * head.sulci, p.stroke((0, -0.72), end, 0.022))
        c.line(t.vessel, 0.006, p.stroke((0, -0.72), (0, stop - 0.08), 0.006))
        c.paint(t.vessel, p.ellipse((0, -0.705), (0.045, 0.03)))

    def inside(self, c: Canvas, p: Points, both: Points, t: Tissues, head: Head) -> None:
        wide = head.ventricles
        c.paint(t.grey, both.ellipse((0.34, -0.1), (0.05, 0.13), -0.25))
        c.paint(t.csf, both.stroke((0.53, -0.09), (0.38, -0.03), 0.03))
        c.line(t.csf, 0.02 * head.sulci, both.stroke((0.38, -0.17), (0.37, 0.0), 0.02))
        c.paint(0.5 * (t.grey + t.white), both.ellipse((0.22, -0.09), (0.07, 0.1), 0.3))
        c.paint(t.grey, both.ellipse((0.09, -0.09), (0.07, 0.09)))
        self._paint_falx(c, p, t, head, -0.36)
        c.paint(t.white, both.stroke((0.0, -0.325), (0.17, -0.34), 0.05))
        c.paint(t.grey, both.ellipse((0.185, -0.22), (0.035, 0.07), -0.4))
        c.paint(t.csf, cut(both.ellipse((0.085, -0.25), (0.11, 0.045 * wide), -0.5), 0.006 - both.x))
        c.line(t.csf, 0.024 * wide, p.stroke((0, -0.17), (0, 0.0), 0.024 * wide))
        c.paint(t.csf, both.ellipse((0.3, 0.13), (0.04 * wide, 0.02), -0.2))
        c.paint(t.white, p.stroke((-0.1, 0.085), (0.1, 0.085), 0.035))
        c.paint(t.vessel, p.stroke((0, 0.1), (0, 0.17), 0.014))
        c.paint(0.3 * t.csf, both.ellipse((0.12, 0.19), (0.035, 0.03)))
        c.line(t.vessel, 0.015, both.arc((0.12, 0.19), (0.045, 0.04), 0.015))
        c.paint(t.mucosa, p.ellipse((0, 0.19), (0.075, 0.032)))


class _CoronalBack(_CoronalMid):
    """Through the cerebellum."""

    name, sella = "coronal-back", None

    def _cerebellum(self, p: Points) -> Distance:
        sides, middle = p.mirrored.ellipse((0.18, 0.23), (0.23, 0.16), 0.1), p.ellipse((0, 0.2), (0.1, 0.15))
        return joined(sides, middle, 0.05)

    def surfaces(self, p: Points) -> tuple[Distance, Distance]:
        cavity = joined(p.ellipse((0, -0.2), (0.58, 0.54)), p.ellipse((0, 0.2), (0.45, 0.24)), 0.1)
        roof = p.y - 0.02 - 0.22 * np.abs(p.x)
        return cavity, np.minimum(cut(p.ellipse((0, -0.2), (0.56, 0.52)), roof), self._cerebellum(p))

    def outside(self, c: Canvas, p: Points, both: Points, t: Tissues) -> None:
        c.paint(t.fat, both.stroke((0.16, 0.56), (0.24, 0.95), 0.03))
        c.paint(t.air, both.ellipse((0.42, 0.33), (0.07, 0.12)))
        c.paint(t.bone, p.ellipse((0, 0.75), (0.09, 0.3)))
        c.paint(t.grey, p.ellipse((0, 0.75), (0.06, 0.3)))

    def inside(self, c: Canvas, p: Points, both: Points, t: Tissues, head: Head) -> None:
        wide = head.ventricles
        self._paint_falx(c, p, t, head, 0.02)
        c.paint(t.white, both.ellipse((0.0, -0.17), (0.12, 0.03)))
        c.paint(t.csf, both.ellipse((0.2, -0.13), (0.045 * wide, 0.1), 0.35))
        c.paint(t.vessel, both.ellipse((0.2, -0.11), (0.018, 0.05), 0.35))
        self._paint_folia(c, p, t, head, self._cerebellum(p), 75 * np.hypot(p.x * 0.7, p.y - 0.75))
        c.paint(t.white, both.ellipse((0.17, 0.23), (0.1, 0.05)), soft=0.06)
        c.paint(t.csf, p.ellipse((0, 0.3), (0.04 * wide, 0.05)))
        c.line(t.vessel, 0.014, both.stroke((0.0, 0.03), (0.5, 0.13), 0.02))
        c.paint(t.vessel, both.ellipse((0.5, 0.12), (0.035, 0.025)))


class _SagittalMid(Scene):
    """The midline."""

    name, centre = "sagittal-mid", (0, -0.15)
    sella: Pair | None = (-0.115, 0.15)
    dura = (-np.pi - 0.05, 0.35)

    def _cerebellum(self, p: Points) -> Distance:
        return p.ellipse((0.37, 0.19), (0.2, 0.155), -0.3)

    def _stem(self, p: Points) -> Distance:
        pons = joined(p.ellipse((0.1, 0.16), (0.085, 0.1), 0.2), p.stroke((0.06, 0.0), (0.1, 0.16), 0.13), 0.05)
        return joined(pons, p.stroke((0.12, 0.2), (0.17, 1.2), 0.085), 0.06)

    def surfaces(self, p: Points) -> tuple[Distance, Distance]:
        base = p.y - 0.1 - 0.12 * p.x  # slopes from the forehead over the sella to the back of the head
        top = cut(p.ellipse((0.02, -0.17), (0.71, 0.5)), base)
        behind, canal = p.ellipse((0.36, 0.14), (0.29, 0.25), -0.35), p.stroke((0.13, 0.1), (0.17, 1.2), 0.15)
        cavity = joined(joined(top, behind, 0.12), canal, 0.06)
        tentorium = p.y - 0.09 + 0.25 * (p.x - 0.2)
        cerebrum = cut(cut(p.ellipse((0.02, -0.17), (0.69, 0.48)), base + 0.02), np.minimum(tentorium, p.x - 0.18))
        return cavity, np.minimum(np.minimum(cerebrum, self._cerebellum(p)), self._stem(p))

    def skin(self, p: Points, head: Head, cavity: Distance) -> Distance:
        around = head.scalp + head.skull
        vault = p.ellipse((0.02, -0.17), (0.71, 0.5)) - around
        behind = p.ellipse((0.36, 0.14), (0.29, 0.25), -0.35) - around
        nose, lips = p.ellipse((-0.76, 0.36), (0.1, 0.09), 0.6), p.ellipse((-0.71, 0.62), (0.07, 0.1))
        face = joined(joined(p.ellipse((-0.4, 0.42), (0.34, 0.48)), nose, 0.1), lips, 0.04)
        neck = cut(p.x - 0.46, cut(-0.35 - p.x, 0.2 - p.y))
        return joined(joined(joined(vault, behind, 0.1), face, 0.12), neck, 0.12)

    def outside(self, c: Canvas, p: Points, both: Points, t: Tissues) -> None:
        for y in (0.5, 0.68, 0.86):
            c.paint(0.6 * t.fat, p.ellipse((0.02, y + 0.06), (0.065, 0.07)))
        c.paint(t.air, p.stroke((-0.1, 0.42), (-0.07, 1.0), 0.06), p.ellipse((-0.4, 0.35), (0.24, 0.095)))
        c.line(t.mucosa, 0.045, p.stroke((-0.6, 0.35), (-0.22, 0.37), 0.045))
        c.line(t.mucosa, 0.04, p.stroke((-0.56, 0.43), (-0.22, 0.44), 0.04))
        c.paint(t.bone, p.stroke((-0.62, 0.5), (-0.2, 0.49), 0.035))
        c.paint(t.muscle, p.ellipse((-0.36, 0.68), (0.22, 0.13)))
        c.paint(t.bone, p.stroke((0.02, 0.2), (0.07, 0.44), 0.13))
        c.paint(0.75 * t.fat, p.stroke((0.015, 0.23), (0.055, 0.42), 0.075))
        c.paint(t.air, p.ellipse((-0.16, 0.25), (0.11, 0.085)), p.ellipse((-0.66, 0.07), (0.04, 0.09), 0.25))

    def inside(self, c: Canvas, p: Points, both: Points, t: Tissues, head: Head) -> None:
        above, wide = p.y + 0.06, head.ventricles
        c.paint(t.grey, p.arc((-0.01, -0.09), (0.32, 0.24), 0.05), opacity=0.7)
        c.paint(t.csf, cut(p.ellipse((-0.01, -0.08), (0.25, 0.16)), above))
        c.paint(t.white, cut(p.arc((-0.01, -0.08), (0.235, 0.155), 0.065), above))
        c.paint(t.white, p.ellipse((-0.215, -0.1), (0.045, 0.06)), p.ellipse((0.215, -0.07), (0.05, 0.055)))
        c.line(t.white, 0.03, cut(p.arc((-0.01, -0.02), (0.16, 0.13 / wide), 0.03), above))
        c.paint(t.grey, p.ellipse((0.03, -0.05), (0.12, 0.065), 0.2), p.ellipse((-0.13, 0.04), (0.06, 0.05)))
        self._paint_folia(c, p, t, head, self._cerebellum(p), 18 * np.arctan2(p.y - 0.17, p.x - 0.24))
        c.paint(t.white, p.stroke((0.24, 0.16), (0.37, 0.2), 0.04), soft=0.04)
        c.paint(t.white, self._stem(p))
        c.paint(t.csf, p.ellipse((0.205, 0.16), (0.03 * wide, 0.065), -0.2))
        c.line(t.csf, 0.016, p.stroke((0.13, 0.0), (0.19, 0.12), 0.016))
        c.line(t.vessel, 0.02, p.stroke((0.25, -0.03), (0.62, 0.09), 0.02))
        c.paint(t.white, p.stroke((-0.09, 0.09), (-0.16, 0.07), 0.025))
        c.line(t.vessel, 0.012, p.stroke((-0.09, 0.1), (-0.1, 0.15), 0.012))
        c.paint(t.bone, p.stroke((-0.2, 0.19), (-0.06, 0.19), 0.05))
        c.paint(t.mucosa, p.ellipse((-0.115, 0.165), (0.05, 0.035)))


class _SagittalSide(_SagittalMid):
    """Through the eye."""

    name, sella = "sagittal-side", None

    def _cerebellum(self, p: Points) -> Distance:
        return p.ellipse((0.37, 0.19), (0.21, 0.145), -0.25)

    def surfaces(self, p: Points) -> tuple[Distance, Distance]:
        top = cut(p.ellipse((0.02, -0.17), (0.68, 0.48)), p.y - 0.06)
        temporal, behind = p.ellipse((-0.12, 0.12), (0.3, 0.15), 0.1), p.ellipse((0.37, 0.16), (0.25, 0.2), -0.3)
        cavity = joined(joined(top, temporal, 0.1), behind, 0.08)
        top = cut(p.ellipse((0.02, -0.17), (0.66, 0.46)), p.y - 0.04)
        return cavity, np.minimum(np.minimum(top, p.ellipse((-0.12, 0.12), (0.28, 0.13), 0.1)), self._cerebellum(p))

    def outside(self, c: Canvas, p: Points, both: Points, t: Tissues) -> None:
        c.paint(t.bone, p.ellipse((-0.56, 0.15), (0.19, 0.13), 0.1))
        c.paint(t.fat, p.ellipse((-0.57, 0.15), (0.16, 0.105), 0.1))
        c.paint(t.muscle, p.stroke((-0.58, 0.08), (-0.42, 0.16), 0.025), p.stroke((-0.58, 0.22), (-0.42, 0.17), 0.025))
        c.paint(t.csf, p.ellipse((-0.63, 0.15), (0.085, 0.085)))
        c.paint(t.air, p.ellipse((-0.5, 0.4), (0.13, 0.1)))
        c.paint(t.bone, p.stroke((-0.55, 0.62), (-0.2, 0.64), 0.06), p.stroke((-0.05, 0.35), (0.1, 0.37), 0.09))

    def inside(self, c: Canvas, p: Points, both: Points, t: Tissues, head: Head) -> None:
        c.paint(t.grey, p.ellipse((0.0, -0.12), (0.2, 0.08), 0.1))
        horn = cut(p.arc((0.08, -0.08), (0.2, 0.14), 0.06 * head.ventricles, 0.2), -0.06 - p.x)
        c.paint(t.csf, cut(horn, 0.3 * p.y - p.x))
        c.paint(t.vessel, p.ellipse((0.25, -0.05), (0.025, 0.05)))
        c.paint(t.csf, p.stroke((-0.36, 0.05), (0.1, -0.01), 0.024))
        self._paint_folia(c, p, t, head, self._cerebellum(p), 75 * np.hypot(p.x - 0.2, p.y - 0.1))
        c.paint(t.white, p.ellipse((0.33, 0.18), (0.08, 0.04)), soft=0.05)
        c.line(t.vessel, 0.014, p.stroke((0.18, 0.05), (0.6, 0.05), 0.02))


SCENES = (_AxialHigh(), _AxialMid(), _AxialLow(), _CoronalMid(), _CoronalBack(), _SagittalMid(), _SagittalSide())
