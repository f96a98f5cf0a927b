"""The planes through the head: axial with the face at the top, coronal from the front, sagittal with the face left."""

from __future__ import annotations

import numpy as np

from mri_robust.data.phantom.canvas import Canvas, Distance, Pair, Points, cut, joined
from mri_robust.data.phantom.head import Head, Tissues
from mri_robust.data.phantom.scene import Scene, paint_flesh, paint_folia


class _AxialHigh(Scene):
    """Above the ventricles."""

    name, fold_reach = "axial-high", 1.9

    def cavity(self, p: Points) -> Distance:
        # The head is wider behind the ears than at the forehead.
        return Points(p.x * (1 - 0.14 * p.y), p.y).ellipse((0, 0), (0.57, 0.73))

    def brain(self, p: Points) -> Distance:
        return self.cavity(p) + 0.02

    def inside(self, c: Canvas, p: Points, t: Tissues, head: Head) -> None:
        both = p.mirrored
        c.paint(both.stroke((0.1, 0.08), (0.22, 0.0), 0.05), t.grey)
        c.line(both.stroke((0.1, 0.08), (0.22, 0.0), 0.02), t.csf, 0.015 * head.sulci)
        self._paint_fissure(c, p, t, head, 0.0, 0.0)

    def _paint_fissure(self, c: Canvas, p: Points, t: Tissues, head: Head, front: float, back: float) -> None:
        for start, stop in ((-0.74, front), (back, 0.74)):
            middle = (head.midline, (start + stop) / 2)
            c.paint(p.stroke((0, start), middle, 0.075), t.grey)
            c.paint(p.stroke(middle, (0, stop), 0.075), t.grey)
            c.line(p.stroke((0, start), middle, 0.022), t.csf, 0.022 * head.sulci)
            c.line(p.stroke(middle, (0, stop), 0.022), t.csf, 0.022 * head.sulci)
            c.line(p.stroke((0, start), (0, stop), 0.006), t.vessel, 0.006)
        c.paint(p.ellipse((0, 0.715), (0.04, 0.03)), t.vessel)


class _AxialMid(_AxialHigh):
    """Through the ventricles."""

    name, fold_reach = "axial-mid", 1.0

    def inside(self, c: Canvas, p: Points, t: Tissues, head: Head) -> None:
        both, wide = p.mirrored, head.ventricles
        c.paint(both.ellipse((0.34, -0.02), (0.045, 0.2), 0.12), t.grey)
        c.paint(both.stroke((0.53, -0.16), (0.4, -0.03), 0.03), t.csf)
        c.line(both.stroke((0.4, -0.12), (0.4, 0.12), 0.02), t.csf, 0.02 * head.sulci)
        c.paint(both.ellipse((0.23, -0.03), (0.06, 0.13), 0.3), 0.5 * (t.grey + t.white))
        c.paint(both.ellipse((0.1, 0.06), (0.075, 0.12), 0.35), t.grey)
        c.paint(both.ellipse((0.145, -0.18), (0.045, 0.1), -0.25), t.grey)
        self._paint_fissure(c, p, t, head, -0.3, 0.27)
        horn = cut(both.ellipse((0.075, -0.17), (0.05 * wide, 0.13), -0.3), 0.006 - both.x)
        back = both.ellipse((0.21, 0.27), (0.035 * wide, 0.16), -0.3)
        c.paint(both.stroke((0.05, -0.1), (0.12, 0.14), 0.02 * wide), t.csf)
        c.paint(joined(horn, back, 0.04), t.csf)
        c.paint(both.ellipse((0.19, 0.23), (0.02, 0.045), -0.3), t.vessel)
        c.line(p.stroke((0, -0.02), (0, 0.14), 0.022 * wide), t.csf, 0.022 * wide)


class _AxialLow(Scene):
    """Through the sella and the eyes."""

    name, centre, sella = "axial-low", (0, 0.18), (0, -0.13)
    dura = (-0.65, np.pi + 0.65)

    def cavity(self, p: Points) -> Distance:
        temporal = p.mirrored.ellipse((0.31, -0.08), (0.25, 0.25), 0.25)
        behind, middle = p.ellipse((0, 0.3), (0.53, 0.43)), p.ellipse((0, 0.02), (0.3, 0.17))
        return joined(joined(temporal, behind, 0.12), middle, 0.08)

    def _cerebellum(self, p: Points) -> Distance:
        pons = p.ellipse((0, 0.12), (0.15, 0.11))
        return joined(p.mirrored.ellipse((0.2, 0.39), (0.29, 0.27), -0.2), pons, 0.06)

    def brain(self, p: Points) -> Distance:
        temporal = p.mirrored.ellipse((0.325, -0.07), (0.215, 0.22), 0.25)
        return cut(np.minimum(temporal, self._cerebellum(p)), self.cavity(p) + 0.02)

    def skin(self, p: Points, head: Head, cavity: Distance) -> Distance:
        around = head.scalp + head.skull
        outline, nose = p.ellipse((0, 0.02), (0.59, 0.76)) - around, p.ellipse((0, -0.84), (0.1, 0.12))
        return joined(joined(outline, cavity - around, 0.1), nose, 0.1)

    def outside(self, c: Canvas, p: Points, t: Tissues, head: Head, skin: Distance) -> None:
        both = p.mirrored
        paint_flesh(c, head, skin + 0.8 * head.scalp)
        c.paint(both.ellipse((0.27, -0.44), (0.2, 0.27), -0.2), t.bone)
        c.paint(both.ellipse((0.27, -0.46), (0.165, 0.24), -0.2), t.fat)
        c.paint(both.stroke((0.36, -0.5), (0.22, -0.25), 0.035), t.muscle)
        c.paint(both.stroke((0.18, -0.5), (0.16, -0.25), 0.03), t.muscle)
        c.paint(both.stroke((0.27, -0.5), (0.17, -0.24), 0.02), t.white)
        c.paint(both.ellipse((0.28, -0.58), (0.12, 0.115)), t.grey)
        c.paint(both.ellipse((0.28, -0.58), (0.105, 0.1)), t.csf)
        c.paint(both.ellipse((0.28, -0.67), (0.04, 0.02)), t.grey)
        c.paint(p.ellipse((0, -0.5), (0.1, 0.3)), t.air)
        for x in (0.0, 0.055):
            c.line(both.stroke((x, -0.75), (x, -0.36), 0.02), t.mucosa, 0.02)
        c.paint(p.ellipse((0, -0.27), (0.12, 0.085)), t.air)
        c.paint(both.stroke((0.38, 0.12), (0.56, 0.18), 0.1), t.bone)

    def inside(self, c: Canvas, p: Points, t: Tissues, head: Head) -> None:
        both = p.mirrored
        paint_folia(c, head, self._cerebellum(p), 62 * np.hypot(p.x, p.y - 0.1))
        c.paint(p.ellipse((0, 0.12), (0.15, 0.11)), t.white)
        c.paint(both.stroke((0.1, 0.2), (0.17, 0.34), 0.12), t.white, soft=0.04)
        c.paint(p.ellipse((0, 0.4), (0.045, 0.17)), t.grey)
        c.paint(p.ellipse((0, 0.27), (0.06 * head.ventricles, 0.035)), t.csf)
        c.paint(both.stroke((0.27, 0.17), (0.53, 0.12), 0.06), t.bone)
        c.paint(both.stroke((0.3, 0.16), (0.33, 0.155), 0.03), t.grey)
        c.paint(both.ellipse((0.3, 0.02), (0.025, 0.06), 0.3), t.csf)
        c.paint(p.ellipse((0, -0.015), (0.022, 0.022)), t.vessel)
        c.paint(both.ellipse((0.105, -0.12), (0.03, 0.04)), t.vessel)
        c.paint(p.ellipse((0, -0.13), (0.055, 0.035)), t.mucosa)
        c.line(both.arc((0.2, 0.45), (0.38, 0.3), 0.025, -0.2), t.vessel, 0.01)


class _CoronalMid(Scene):
    """Through the sella."""

    name, centre = "coronal-mid", (0, -0.12)
    sella: Pair | None = (0, 0.18)
    dura = (-np.pi - 0.25, 0.25)

    def cavity(self, p: Points) -> Distance:
        top = cut(p.ellipse((0, -0.2), (0.57, 0.54)), p.y - 0.17)
        return joined(top, p.mirrored.ellipse((0.32, 0.12), (0.24, 0.19), -0.2), 0.1)

    def brain(self, p: Points) -> Distance:
        both = p.mirrored
        top = cut(p.ellipse((0, -0.2), (0.55, 0.52)), p.y - 0.07 - 0.15 * both.x)
        return np.minimum(top, both.ellipse((0.33, 0.12), (0.215, 0.17), -0.2))

    def skin(self, p: Points, head: Head, cavity: Distance) -> Distance:
        return joined(cavity - (head.scalp + head.skull), p.ellipse((0, 0.55), (0.5, 0.5)), 0.25)

    def outside(self, c: Canvas, p: Points, t: Tissues, head: Head, skin: Distance) -> None:
        both = p.mirrored
        paint_flesh(c, head, skin + 1.1 * head.scalp)
        c.paint(both.stroke((0.34, 0.5), (0.36, 0.9), 0.07), t.bone)
        c.paint(both.stroke((0.34, 0.5), (0.36, 0.9), 0.035), 0.7 * t.fat)
        c.paint(both.ellipse((0.2, 0.5), (0.07, 0.16), 0.25), t.muscle)
        c.paint(both.stroke((0.1, 0.46), (0.14, 0.62), 0.03), t.fat)
        c.paint(p.ellipse((0, 0.33), (0.17, 0.095)), t.air)
        c.line(p.stroke((0.01, 0.25), (-0.01, 0.42), 0.015), t.grey, 0.015)
        c.paint(p.ellipse((0, 0.56), (0.12, 0.12)), t.mucosa)
        c.paint(p.ellipse((0, 0.6), (0.075, 0.05)), t.air)
        c.paint(p.ellipse((0, 0.82), (0.2, 0.11)), t.muscle)

    def _paint_falx(self, c: Canvas, p: Points, t: Tissues, head: Head, stop: float) -> None:
        end = (head.midline, stop)
        c.paint(p.stroke((0, -0.72), end, 0.07), t.grey)
        c.line(p.stroke((0, -0.72), end, 0.022), t.csf, 0.022 * head.sulci)
        c.line(p.stroke((0, -0.72), (0, stop - 0.08), 0.006), t.vessel, 0.006)
        c.paint(p.ellipse((0, -0.705), (0.045, 0.03)), t.vessel)

    def inside(self, c: Canvas, p: Points, t: Tissues, head: Head) -> None:
        both, wide = p.mirrored, head.ventricles
        c.paint(both.ellipse((0.34, -0.1), (0.05, 0.13), -0.25), t.grey)
        c.paint(both.stroke((0.53, -0.09), (0.38, -0.03), 0.03), t.csf)
        c.line(both.stroke((0.38, -0.17), (0.37, 0.0), 0.02), t.csf, 0.02 * head.sulci)
        c.paint(both.ellipse((0.22, -0.09), (0.07, 0.1), 0.3), 0.5 * (t.grey + t.white))
        c.paint(both.ellipse((0.09, -0.09), (0.07, 0.09)), t.grey)
        self._paint_falx(c, p, t, head, -0.36)
        c.paint(both.stroke((0.0, -0.325), (0.17, -0.34), 0.05), t.white)
        c.paint(both.ellipse((0.185, -0.22), (0.035, 0.07), -0.4), t.grey)
        c.paint(cut(both.ellipse((0.085, -0.25), (0.11, 0.045 * wide), -0.5), 0.006 - both.x), t.csf)
        c.line(p.stroke((0, -0.17), (0, 0.0), 0.024 * wide), t.csf, 0.024 * wide)
        c.paint(both.ellipse((0.3, 0.13), (0.04 * wide, 0.02), -0.2), t.csf)
        c.paint(p.stroke((-0.1, 0.085), (0.1, 0.085), 0.035), t.white)
        c.paint(p.stroke((0, 0.1), (0, 0.17), 0.014), t.vessel)
        c.paint(both.ellipse((0.12, 0.19), (0.035, 0.03)), 0.3 * t.csf)
        c.line(both.arc((0.12, 0.19), (0.045, 0.04), 0.015), t.vessel, 0.015)
        c.paint(p.ellipse((0, 0.19), (0.075, 0.032)), t.mucosa)


class _CoronalBack(_CoronalMid):
    """Through the cerebellum."""

    name, sella = "coronal-back", None

    def cavity(self, p: Points) -> Distance:
        return joined(p.ellipse((0, -0.2), (0.58, 0.54)), p.ellipse((0, 0.2), (0.45, 0.24)), 0.1)

    def _cerebellum(self, p: Points) -> Distance:
        sides, middle = p.mirrored.ellipse((0.18, 0.23), (0.23, 0.16), 0.1), p.ellipse((0, 0.2), (0.1, 0.15))
        return joined(sides, middle, 0.05)

    def brain(self, p: Points) -> Distance:
        roof = p.y - 0.02 - 0.22 * np.abs(p.x)
        return np.minimum(cut(p.ellipse((0, -0.2), (0.56, 0.52)), roof), self._cerebellum(p))

    def outside(self, c: Canvas, p: Points, t: Tissues, head: Head, skin: Distance) -> None:
        both = p.mirrored
        paint_flesh(c, head, skin + 1.1 * head.scalp)
        c.paint(both.stroke((0.16, 0.56), (0.24, 0.95), 0.03), t.fat)
        c.paint(both.ellipse((0.42, 0.33), (0.07, 0.12)), t.air)
        c.paint(p.ellipse((0, 0.75), (0.09, 0.3)), t.bone)
        c.paint(p.ellipse((0, 0.75), (0.06, 0.3)), t.grey)

    def inside(self, c: Canvas, p: Points, t: Tissues, head: Head) -> None:
        both, wide = p.mirrored, head.ventricles
        self._paint_falx(c, p, t, head, 0.02)
        c.paint(both.ellipse((0.0, -0.17), (0.12, 0.03)), t.white)
        c.paint(both.ellipse((0.2, -0.13), (0.045 * wide, 0.1), 0.35), t.csf)
        c.paint(both.ellipse((0.2, -0.11), (0.018, 0.05), 0.35), t.vessel)
        paint_folia(c, head, self._cerebellum(p), 75 * np.hypot(p.x * 0.7, p.y - 0.75))
        c.paint(both.ellipse((0.17, 0.23), (0.1, 0.05)), t.white, soft=0.06)
        c.paint(p.ellipse((0, 0.3), (0.04 * wide, 0.05)), t.csf)
        c.line(both.stroke((0.0, 0.03), (0.5, 0.13), 0.02), t.vessel, 0.014)
        c.paint(both.ellipse((0.5, 0.12), (0.035, 0.025)), t.vessel)


class _SagittalMid(Scene):
    """The midline."""

    name, centre = "sagittal-mid", (0, -0.15)
    sella: Pair | None = (-0.115, 0.15)
    dura = (-np.pi - 0.05, 0.35)

    def cavity(self, p: Points) -> Distance:
        # The skull base falls from the forehead over the sella to the back of the head.
        top = cut(p.ellipse((0.02, -0.17), (0.71, 0.5)), p.y - 0.1 - 0.12 * p.x)
        behind, canal = p.ellipse((0.36, 0.14), (0.29, 0.25), -0.35), p.stroke((0.13, 0.1), (0.17, 1.2), 0.15)
        return joined(joined(top, behind, 0.12), canal, 0.06)

    def _cerebellum(self, p: Points) -> Distance:
        return p.ellipse((0.37, 0.19), (0.2, 0.155), -0.3)

    def _stem(self, p: Points) -> Distance:
        pons = joined(p.ellipse((0.1, 0.16), (0.085, 0.1), 0.2), p.stroke((0.06, 0.0), (0.1, 0.16), 0.13), 0.05)
        return joined(pons, p.stroke((0.12, 0.2), (0.17, 1.2), 0.085), 0.06)

    def brain(self, p: Points) -> Distance:
        tentorium = p.y - 0.09 + 0.25 * (p.x - 0.2)
        cerebrum = cut(p.ellipse((0.02, -0.17), (0.69, 0.48)), p.y - 0.1 - 0.12 * p.x + 0.02)
        cerebrum = cut(cerebrum, np.minimum(tentorium, p.x - 0.18))
        return np.minimum(np.minimum(cerebrum, self._cerebellum(p)), self._stem(p))

    def skin(self, p: Points, head: Head, cavity: Distance) -> Distance:
        around = head.scalp + head.skull
        vault = p.ellipse((0.02, -0.17), (0.71, 0.5)) - around
        behind = p.ellipse((0.36, 0.14), (0.29, 0.25), -0.35) - around
        nose, lips = p.ellipse((-0.76, 0.36), (0.1, 0.09), 0.6), p.ellipse((-0.71, 0.62), (0.07, 0.1))
        face = joined(joined(p.ellipse((-0.4, 0.42), (0.34, 0.48)), nose, 0.1), lips, 0.04)
        neck = cut(p.x - 0.46, cut(-0.35 - p.x, 0.2 - p.y))
        return joined(joined(joined(vault, behind, 0.1), face, 0.12), neck, 0.12)

    def outside(self, c: Canvas, p: Points, t: Tissues, head: Head, skin: Distance) -> None:
        paint_flesh(c, head, skin + 1.1 * head.scalp)
        for y in (0.5, 0.68, 0.86):
            c.paint(p.ellipse((0.02, y + 0.06), (0.065, 0.07)), 0.6 * t.fat)
        c.paint(p.stroke((-0.1, 0.42), (-0.07, 1.0), 0.06), t.air)
        c.paint(p.ellipse((-0.4, 0.35), (0.24, 0.095)), t.air)
        c.line(p.stroke((-0.6, 0.35), (-0.22, 0.37), 0.045), t.mucosa, 0.045)
        c.line(p.stroke((-0.56, 0.43), (-0.22, 0.44), 0.04), t.mucosa, 0.04)
        c.paint(p.stroke((-0.62, 0.5), (-0.2, 0.49), 0.035), t.bone)
        c.paint(p.ellipse((-0.36, 0.68), (0.22, 0.13)), t.muscle)
        c.paint(p.stroke((0.02, 0.2), (0.07, 0.44), 0.13), t.bone)
        c.paint(p.stroke((0.015, 0.23), (0.055, 0.42), 0.075), 0.75 * t.fat)
        c.paint(p.ellipse((-0.16, 0.25), (0.11, 0.085)), t.air)
        c.paint(p.ellipse((-0.66, 0.07), (0.04, 0.09), 0.25), t.air)

    def inside(self, c: Canvas, p: Points, t: Tissues, head: Head) -> None:
        above, wide = p.y + 0.06, head.ventricles
        c.paint(p.arc((-0.01, -0.09), (0.32, 0.24), 0.05), t.grey, opacity=0.7)
        c.paint(cut(p.ellipse((-0.01, -0.08), (0.25, 0.16)), above), t.csf)
        c.paint(cut(p.arc((-0.01, -0.08), (0.235, 0.155), 0.065), above), t.white)
        c.paint(p.ellipse((-0.215, -0.1), (0.045, 0.06)), t.white)
        c.paint(p.ellipse((0.215, -0.07), (0.05, 0.055)), t.white)
        c.line(cut(p.arc((-0.01, -0.02), (0.16, 0.13 / wide), 0.03), above), t.white, 0.03)
        c.paint(p.ellipse((0.03, -0.05), (0.12, 0.065), 0.2), t.grey)
        c.paint(p.ellipse((-0.13, 0.04), (0.06, 0.05)), t.grey)
        paint_folia(c, head, self._cerebellum(p), 18 * np.arctan2(p.y - 0.17, p.x - 0.24))
        c.paint(p.stroke((0.24, 0.16), (0.37, 0.2), 0.04), t.white, soft=0.04)
        c.paint(self._stem(p), t.white)
        c.paint(p.ellipse((0.205, 0.16), (0.03 * wide, 0.065), -0.2), t.csf)
        c.line(p.stroke((0.13, 0.0), (0.19, 0.12), 0.016), t.csf, 0.016)
        c.line(p.stroke((0.25, -0.03), (0.62, 0.09), 0.02), t.vessel, 0.02)
        c.paint(p.stroke((-0.09, 0.09), (-0.16, 0.07), 0.025), t.white)
        c.line(p.stroke((-0.09, 0.1), (-0.1, 0.15), 0.012), t.vessel, 0.012)
        c.paint(p.stroke((-0.2, 0.19), (-0.06, 0.19), 0.05), t.bone)
        c.paint(p.ellipse((-0.115, 0.165), (0.05, 0.035)), t.mucosa)


class _SagittalSide(_SagittalMid):
    """Through the eye."""

    name, sella = "sagittal-side", None

    def cavity(self, p: Points) -> Distance:
        top = cut(p.ellipse((0.02, -0.17), (0.68, 0.48)), p.y - 0.06)
        temporal, behind = p.ellipse((-0.12, 0.12), (0.3, 0.15), 0.1), p.ellipse((0.37, 0.16), (0.25, 0.2), -0.3)
        return joined(joined(top, temporal, 0.1), behind, 0.08)

    def _cerebellum(self, p: Points) -> Distance:
        return p.ellipse((0.37, 0.19), (0.21, 0.145), -0.25)

    def brain(self, p: Points) -> Distance:
        top = cut(p.ellipse((0.02, -0.17), (0.66, 0.46)), p.y - 0.04)
        return np.minimum(np.minimum(top, p.ellipse((-0.12, 0.12), (0.28, 0.13), 0.1)), self._cerebellum(p))

    def outside(self, c: Canvas, p: Points, t: Tissues, head: Head, skin: Distance) -> None:
        paint_flesh(c, head, skin + 1.1 * head.scalp)
        c.paint(p.ellipse((-0.56, 0.15), (0.19, 0.13), 0.1), t.bone)
        c.paint(p.ellipse((-0.57, 0.15), (0.16, 0.105), 0.1), t.fat)
        c.paint(p.stroke((-0.58, 0.08), (-0.42, 0.16), 0.025), t.muscle)
        c.paint(p.stroke((-0.58, 0.22), (-0.42, 0.17), 0.025), t.muscle)
        c.paint(p.ellipse((-0.63, 0.15), (0.085, 0.085)), t.csf)
        c.paint(p.ellipse((-0.5, 0.4), (0.13, 0.1)), t.air)
        c.paint(p.stroke((-0.55, 0.62), (-0.2, 0.64), 0.06), t.bone)
        c.paint(p.stroke((-0.05, 0.35), (0.1, 0.37), 0.09), t.bone)

    def inside(self, c: Canvas, p: Points, t: Tissues, head: Head) -> None:
        c.paint(p.ellipse((0.0, -0.12), (0.2, 0.08), 0.1), t.grey)
        horn = cut(p.arc((0.08, -0.08), (0.2, 0.14), 0.06 * head.ventricles, 0.2), -0.06 - p.x)
        c.paint(cut(horn, 0.3 * p.y - p.x), t.csf)
        c.paint(p.ellipse((0.25, -0.05), (0.025, 0.05)), t.vessel)
        c.paint(p.stroke((-0.36, 0.05), (0.1, -0.01), 0.024), t.csf)
        paint_folia(c, head, self._cerebellum(p), 75 * np.hypot(p.x - 0.2, p.y - 0.1))
        c.paint(p.ellipse((0.33, 0.18), (0.08, 0.04)), t.white, soft=0.05)
        c.line(p.stroke((0.18, 0.05), (0.6, 0.05), 0.02), t.vessel, 0.014)


SCENES: tuple[Scene, ...] = (
    *(_AxialHigh(), _AxialMid(), _AxialLow()),
    *(_CoronalMid(), _CoronalBack(), _SagittalMid(), _SagittalSide()),
)
