"""The planes through the head: axial with the face at the top, coronal from the front, sagittal with the face left.

Each structure is painted over those before it, so that their order matters; unnamed ones belong to the one above.
"""

from abc import ABC, abstractmethod
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from mri_robust.data.phantom.head import Canvas, Distance, Head, Pair, Points, Tissues, intersection, joined, union


class Layers(NamedTuple):
    """Where the layers of a drawn head lie, as distances [H, W]."""

    skin: Distance
    cavity: Distance  # inside the inner skull
    brain: Distance


class Plane(ABC):
    """One plane through the head; a subclass says what lies where in it.

    In its methods `p` are the places of the pixels, `both` the same folded at the midline, so that a structure drawn
    on the right appears on both sides, and `t` is the brightness of the tissues.
    """

    name: str  # view and level
    centre: Pair = (0, 0)  # deep in the brain: folds run towards it, and the dura is seen from it
    dura: Pair = (-np.pi, np.pi)  # directions from the centre that meet dura, radians clockwise from the right
    sella: Pair | None = None  # where the pituitary gland lies, if the plane meets it
    fold_reach = 1.0  # how much deeper than usual the sulci run; tall near the top of the head
    flesh = 1.1  # how far under the skin muscle begins, times the scalp; 0 where there is none

    @abstractmethod
    def layers(self, p: Points, thickness: float = 0.0) -> Layers:
        """Where the layers of a head lie whose skull and scalp together are this thick."""

    def outside(self, c: Canvas, p: Points, both: Points, t: Tissues) -> None:  # noqa: B027
        """Draw what lies between skin and skull; here nothing."""

    @abstractmethod
    def inside(self, c: Canvas, p: Points, both: Points, t: Tissues, head: Head) -> None:
        """Draw what lies in the cavity, on white matter and folds that are there already."""

    def paint(self, c: Canvas, head: Head) -> Layers:
        """Draw the head without a tumour, from the scalp inwards."""
        p, both, t = c.points, c.points.mirrored, head.tissues
        layers = skin, cavity, brain = self.layers(p, head.scalp + head.skull)
        c.paint(t.fat, skin)
        c.line(0.7 * t.fat, 0.016, np.abs(skin + 0.01) - 0.008)
        if self.flesh:
            streaks = np.clip(head.grain(p.x * 0.6, p.y) - 0.9, 0, 1)  # of fat
            c.paint(t.muscle + streaks * (0.7 * (t.fat - t.muscle)), skin + self.flesh * head.scalp)
        self.outside(c, p, both, t)
        c.paint(t.bone, cavity - head.skull)
        c.line(0.6 * t.grey, 0.25 * head.skull, np.abs(cavity - 0.5 * head.skull) - 0.2 * head.skull)  # marrow
        c.paint(t.csf, cavity)
        c.paint(t.white, brain)
        self._paint_cortex(c, p, head, brain)
        self.inside(c, p, both, t, head)
        return layers

    def _paint_cortex(self, c: Canvas, p: Points, head: Head, brain: Distance) -> None:
        """Draw the grey ribbon along the brain's surface, and the sulci that carry it inwards."""
        within, soft = c.cover(brain), 0.25 + 6 * c.edge
        angle = np.arctan2(p.y - self.centre[1], p.x - self.centre[0])
        field = np.abs(head.folds(angle + 0.1 * head.sway(p.x, p.y), -brain))
        reach = np.clip(1 + brain * (1 / (head.sulcus_depth * self.fold_reach)), 0, 1)
        ribbon = np.maximum(0.5 - (field - 0.75 * reach) / soft, 2 + brain * (1 / 0.03))
        c.blend(within * np.clip(ribbon, 0, 1) * np.minimum(1, 5 * reach), head.tissues.grey)
        sulcus = np.clip(0.5 - (field - 0.22 * head.sulci * reach) / soft, 0, 1)
        c.blend(within * sulcus * np.minimum(1, 2.5 * reach) * 0.85, head.tissues.csf)


def _paint_fissure(c: Canvas, head: Head, width: float, *path: Pair, falx: Pair) -> None:
    """Draw the fissure between the hemispheres along `path`, `width` wide with its cortex, and the falx in it."""
    p, t, parts = c.points, head.tissues, list(pairwise(path))
    c.paint(t.grey, *(p.stroke(start, stop, width) for start, stop in parts))
    c.line(t.csf, 0.022 * head.sulci, *(p.stroke(start, stop, 0.022) for start, stop in parts))
    c.line(t.vessel, 0.006, p.stroke(path[0], falx, 0.006))


def _paint_cerebellum(c: Canvas, head: Head, shape: Distance, phase: np.ndarray) -> None:
    """Draw its folia: fine light and dark leaves, where `phase` in radians counts them."""
    p, t = c.points, head.tissues
    leaves = np.cos(phase + 2 * head.grain(p.x * 0.2, p.y * 0.2)) * (0.35 * (t.white - t.csf))
    c.paint(0.4 * t.white + 0.6 * t.grey + leaves, shape)


class _AxialHigh(Plane):  # above the ventricles
    name, fold_reach, flesh = "axial-high", 1.9, 0
    corpus_callosum: Pair = (0, 0)  # its front and back, where the fissure stops

    def layers(self, p: Points, thickness: float = 0.0) -> Layers:
        cavity = Points(p.x * (1 - 0.14 * p.y), p.y).ellipse((0, 0), (0.57, 0.73))  # wider behind the ears
        return Layers(cavity - thickness, cavity, cavity + 0.02)

    def inside(self, c: Canvas, p: Points, both: Points, t: Tissues, head: Head) -> None:
        c.paint(t.grey, both.stroke((0.1, 0.08), (0.22, 0.0), 0.05))  # central sulcus
        c.line(t.csf, 0.015 * head.sulci, both.stroke((0.1, 0.08), (0.22, 0.0), 0.02))
        self._paint_midline(c, p, t, head)

    def _paint_midline(self, c: Canvas, p: Points, t: Tissues, head: Head) -> None:
        front, back = self.corpus_callosum
        for start, stop in ((-0.74, front), (back, 0.74)):
            _paint_fissure(c, head, 0.075, (0, start), (head.midline, (start + stop) / 2), (0, stop), falx=(0, stop))
        c.paint(t.vessel, p.ellipse((0, 0.715), (0.04, 0.03)))  # superior sagittal sinus


class _AxialMid(_AxialHigh):  # through the ventricles
    name, fold_reach, corpus_callosum = "axial-mid", 1.0, (-0.3, 0.27)

    def inside(self, c: Canvas, p: Points, both: Points, t: Tissues, head: Head) -> None:
        wide = head.ventricles
        c.paint(t.grey, both.ellipse((0.34, -0.02), (0.045, 0.2), 0.12))  # insula
        c.paint(t.csf, both.stroke((0.53, -0.16), (0.4, -0.03), 0.03))  # Sylvian fissure
        c.line(t.csf, 0.02 * head.sulci, both.stroke((0.4, -0.12), (0.4, 0.12), 0.02))
        c.paint(0.5 * (t.grey + t.white), both.ellipse((0.23, -0.03), (0.06, 0.13), 0.3))  # lentiform nucleus
        c.paint(t.grey, both.ellipse((0.1, 0.06), (0.075, 0.12), 0.35))  # thalamus
        c.paint(t.grey, both.ellipse((0.145, -0.18), (0.045, 0.1), -0.25))  # head of the caudate nucleus
        self._paint_midline(c, p, t, head)
        frontal_horn = intersection(both.ellipse((0.075, -0.17), (0.05 * wide, 0.13), -0.3), 0.006 - both.x)
        occipital_horn = both.ellipse((0.21, 0.27), (0.035 * wide, 0.16), -0.3)
        c.paint(t.csf, both.stroke((0.05, -0.1), (0.12, 0.14), 0.02 * wide), joined(frontal_horn, occipital_horn, 0.04))
        c.paint(t.vessel, both.ellipse((0.19, 0.23), (0.02, 0.045), -0.3))  # choroid plexus
        c.line(t.csf, 0.022 * wide, p.stroke((0, -0.02), (0, 0.14), 0.022 * wide))  # third ventricle


class _AxialLow(Plane):  # through the sella and the eyes
    name, centre, sella, dura, flesh = "axial-low", (0, 0.18), (0, -0.13), (-0.65, np.pi + 0.65), 0.8

    def layers(self, p: Points, thickness: float = 0.0) -> Layers:
        temporal = p.mirrored.ellipse((0.31, -0.08), (0.25, 0.25), 0.25)
        behind, middle = p.ellipse((0, 0.3), (0.53, 0.43)), p.ellipse((0, 0.02), (0.3, 0.17))
        cavity = joined(joined(temporal, behind, 0.12), middle, 0.08)
        temporal = p.mirrored.ellipse((0.325, -0.07), (0.215, 0.22), 0.25)
        brain = intersection(union(temporal, self._cerebellum(p)), cavity + 0.02)
        outline, nose = p.ellipse((0, 0.02), (0.59, 0.76)), p.ellipse((0, -0.84), (0.1, 0.12))
        skin = joined(joined(outline - thickness, cavity - thickness, 0.1), nose, 0.1)
        return Layers(skin, cavity, brain)

    def _cerebellum(self, p: Points) -> Distance:
        return joined(p.mirrored.ellipse((0.2, 0.39), (0.29, 0.27), -0.2), p.ellipse((0, 0.12), (0.15, 0.11)), 0.06)

    def outside(self, c: Canvas, p: Points, both: Points, t: Tissues) -> None:
        c.paint(t.bone, both.ellipse((0.27, -0.44), (0.2, 0.27), -0.2))  # orbit
        c.paint(t.fat, both.ellipse((0.27, -0.46), (0.165, 0.24), -0.2))
        c.paint(t.muscle, both.stroke((0.36, -0.5), (0.22, -0.25), 0.035))  # lateral rectus
        c.paint(t.muscle, both.stroke((0.18, -0.5), (0.16, -0.25), 0.03))  # medial rectus
        c.paint(t.white, both.stroke((0.27, -0.5), (0.17, -0.24), 0.02))  # optic nerve
        c.paint(t.grey, both.ellipse((0.28, -0.58), (0.12, 0.115)))  # eyeball: its wall, its vitreous, the lens
        c.paint(t.csf, both.ellipse((0.28, -0.58), (0.105, 0.1)))
        c.paint(t.grey, both.ellipse((0.28, -0.67), (0.04, 0.02)))
        c.paint(t.air, p.ellipse((0, -0.5), (0.1, 0.3)))  # nasal cavity: its septum, the turbinates
        c.line(t.mucosa, 0.02, *(both.stroke((x, -0.75), (x, -0.36), 0.02) for x in (0, 0.055)))
        c.paint(t.air, p.ellipse((0, -0.27), (0.12, 0.085)))  # sphenoid sinus
        c.paint(t.bone, both.stroke((0.38, 0.12), (0.56, 0.18), 0.1))  # mastoid

    def inside(self, c: Canvas, p: Points, both: Points, t: Tissues, head: Head) -> None:
        _paint_cerebellum(c, head, self._cerebellum(p), 62 * np.hypot(p.x, p.y - 0.1))
        c.paint(t.white, p.ellipse((0, 0.12), (0.15, 0.11)))  # pons
        c.paint(t.white, both.stroke((0.1, 0.2), (0.17, 0.34), 0.12), soft=0.04)  # cerebellar peduncles
        c.paint(t.grey, p.ellipse((0, 0.4), (0.045, 0.17)))  # vermis
        c.paint(t.csf, p.ellipse((0, 0.27), (0.06 * head.ventricles, 0.035)))  # fourth ventricle
        c.paint(t.bone, both.stroke((0.27, 0.17), (0.53, 0.12), 0.06))  # petrous ridge
        c.paint(t.grey, both.stroke((0.3, 0.16), (0.33, 0.155), 0.03))  # nerves in the internal auditory canal
        c.paint(t.csf, both.ellipse((0.3, 0.02), (0.025, 0.06), 0.3))  # temporal horn
        c.paint(t.vessel, p.ellipse((0, -0.015), (0.022, 0.022)))  # basilar artery
        c.paint(t.vessel, both.ellipse((0.105, -0.12), (0.03, 0.04)))  # cavernous sinus
        c.paint(t.mucosa, p.ellipse((0, -0.13), (0.055, 0.035)))  # pituitary gland
        c.line(t.vessel, 0.01, both.arc((0.2, 0.45), (0.38, 0.3), 0.025, -0.2))  # transverse sinus


class _CoronalMid(Plane):  # through the sella
    name, centre, dura = "coronal-mid", (0, -0.12), (-np.pi - 0.25, 0.25)
    sella: Pair | None = (0, 0.18)

    def layers(self, p: Points, thickness: float = 0.0) -> Layers:
        top = intersection(p.ellipse((0, -0.2), (0.57, 0.54)), p.y - 0.17)
        cavity = joined(top, p.mirrored.ellipse((0.32, 0.12), (0.24, 0.19), -0.2), 0.1)
        top = intersection(p.ellipse((0, -0.2), (0.55, 0.52)), p.y - 0.07 - 0.15 * np.abs(p.x))
        brain = union(top, p.mirrored.ellipse((0.33, 0.12), (0.215, 0.17), -0.2))
        return Layers(self._skin(p, cavity, thickness), cavity, brain)

    def _skin(self, p: Points, cavity: Distance, thickness: float) -> Distance:
        return joined(cavity - thickness, p.ellipse((0, 0.55), (0.5, 0.5)), 0.25)

    def outside(self, c: Canvas, p: Points, both: Points, t: Tissues) -> None:
        c.paint(t.bone, both.stroke((0.34, 0.5), (0.36, 0.9), 0.07))  # mandible and its marrow
        c.paint(0.7 * t.fat, both.stroke((0.34, 0.5), (0.36, 0.9), 0.035))
        c.paint(t.muscle, both.ellipse((0.2, 0.5), (0.07, 0.16), 0.25))  # pterygoid muscles
        c.paint(t.fat, both.stroke((0.1, 0.46), (0.14, 0.62), 0.03))  # parapharyngeal fat
        c.paint(t.air, p.ellipse((0, 0.33), (0.17, 0.095)))  # sphenoid sinus and its septum
        c.line(t.grey, 0.015, p.stroke((0.01, 0.25), (-0.01, 0.42), 0.015))
        c.paint(t.mucosa, p.ellipse((0, 0.56), (0.12, 0.12)))  # pharynx
        c.paint(t.air, p.ellipse((0, 0.6), (0.075, 0.05)))
        c.paint(t.muscle, p.ellipse((0, 0.82), (0.2, 0.11)))  # tongue

    def inside(self, c: Canvas, p: Points, both: Points, t: Tissues, head: Head) -> None:
        wide = head.ventricles
        c.paint(t.grey, both.ellipse((0.34, -0.1), (0.05, 0.13), -0.25))  # insula
        c.paint(t.csf, both.stroke((0.53, -0.09), (0.38, -0.03), 0.03))  # Sylvian fissure
        c.line(t.csf, 0.02 * head.sulci, both.stroke((0.38, -0.17), (0.37, 0.0), 0.02))
        c.paint(0.5 * (t.grey + t.white), both.ellipse((0.22, -0.09), (0.07, 0.1), 0.3))  # lentiform nucleus
        c.paint(t.grey, both.ellipse((0.09, -0.09), (0.07, 0.09)))  # thalamus
        _paint_fissure(c, head, 0.07, (0, -0.72), (head.midline, -0.36), falx=(0, -0.44))
        c.paint(t.vessel, p.ellipse((0, -0.705), (0.045, 0.03)))  # superior sagittal sinus
        c.paint(t.white, both.stroke((0.0, -0.325), (0.17, -0.34), 0.05))  # corpus callosum
        c.paint(t.grey, both.ellipse((0.185, -0.22), (0.035, 0.07), -0.4))  # caudate nucleus
        lateral_ventricle = both.ellipse((0.085, -0.25), (0.11, 0.045 * wide), -0.5)
        c.paint(t.csf, intersection(lateral_ventricle, 0.006 - both.x))
        c.line(t.csf, 0.024 * wide, p.stroke((0, -0.17), (0, 0.0), 0.024 * wide))  # third ventricle
        c.paint(t.csf, both.ellipse((0.3, 0.13), (0.04 * wide, 0.02), -0.2))  # temporal horn
        c.paint(t.white, p.stroke((-0.1, 0.085), (0.1, 0.085), 0.035))  # optic chiasm
        c.paint(t.vessel, p.stroke((0, 0.1), (0, 0.17), 0.014))  # pituitary stalk
        c.paint(0.3 * t.csf, both.ellipse((0.12, 0.19), (0.035, 0.03)))  # carotid artery in the cavernous sinus
        c.line(t.vessel, 0.015, both.arc((0.12, 0.19), (0.045, 0.04), 0.015))
        c.paint(t.mucosa, p.ellipse((0, 0.19), (0.075, 0.032)))  # pituitary gland


class _CoronalBack(_CoronalMid):  # through the cerebellum
    name, sella = "coronal-back", None

    def layers(self, p: Points, thickness: float = 0.0) -> Layers:
        cavity = joined(p.ellipse((0, -0.2), (0.58, 0.54)), p.ellipse((0, 0.2), (0.45, 0.24)), 0.1)
        tentorium = p.y - 0.02 - 0.22 * np.abs(p.x)
        brain = union(intersection(p.ellipse((0, -0.2), (0.56, 0.52)), tentorium), self._cerebellum(p))
        return Layers(self._skin(p, cavity, thickness), cavity, brain)

    def _cerebellum(self, p: Points) -> Distance:
        return joined(p.mirrored.ellipse((0.18, 0.23), (0.23, 0.16), 0.1), p.ellipse((0, 0.2), (0.1, 0.15)), 0.05)

    def outside(self, c: Canvas, p: Points, both: Points, t: Tissues) -> None:
        c.paint(t.fat, both.stroke((0.16, 0.56), (0.24, 0.95), 0.03))  # between the muscles of the neck
        c.paint(t.air, both.ellipse((0.42, 0.33), (0.07, 0.12)))  # mastoid cells
        c.paint(t.bone, p.ellipse((0, 0.75), (0.09, 0.3)))  # spine and spinal cord
        c.paint(t.grey, p.ellipse((0, 0.75), (0.06, 0.3)))

    def inside(self, c: Canvas, p: Points, both: Points, t: Tissues, head: Head) -> None:
        _paint_fissure(c, head, 0.07, (0, -0.72), (head.midline, 0.02), falx=(0, -0.06))
        c.paint(t.vessel, p.ellipse((0, -0.705), (0.045, 0.03)))  # superior sagittal sinus
        c.paint(t.white, both.ellipse((0.0, -0.17), (0.12, 0.03)))  # splenium of the corpus callosum
        c.paint(t.csf, both.ellipse((0.2, -0.13), (0.045 * head.ventricles, 0.1), 0.35))  # lateral ventricle
        c.paint(t.vessel, both.ellipse((0.2, -0.11), (0.018, 0.05), 0.35))  # choroid plexus
        _paint_cerebellum(c, head, self._cerebellum(p), 75 * np.hypot(p.x * 0.7, p.y - 0.75))
        c.paint(t.white, both.ellipse((0.17, 0.23), (0.1, 0.05)), soft=0.06)  # its white matter
        c.paint(t.csf, p.ellipse((0, 0.3), (0.04 * head.ventricles, 0.05)))  # fourth ventricle
        c.line(t.vessel, 0.014, both.stroke((0.0, 0.03), (0.5, 0.13), 0.02))  # tentorium
        c.paint(t.vessel, both.ellipse((0.5, 0.12), (0.035, 0.025)))  # transverse sinus


class _SagittalMid(Plane):  # the midline
    name, centre, dura = "sagittal-mid", (0, -0.15), (-np.pi - 0.05, 0.35)
    sella: Pair | None = (-0.115, 0.15)
    cerebellum: tuple[Pair, Pair, float] = (0.37, 0.19), (0.2, 0.155), -0.3

    def layers(self, p: Points, thickness: float = 0.0) -> Layers:
        base = p.y - 0.1 - 0.12 * p.x  # slopes from the forehead over the sella to the back of the head
        top = intersection(p.ellipse((0.02, -0.17), (0.71, 0.5)), base)
        behind, canal = p.ellipse((0.36, 0.14), (0.29, 0.25), -0.35), p.stroke((0.13, 0.1), (0.17, 1.2), 0.15)
        cavity = joined(joined(top, behind, 0.12), canal, 0.06)
        tentorium = union(p.y - 0.09 + 0.25 * (p.x - 0.2), p.x - 0.18)
        cerebrum = intersection(intersection(p.ellipse((0.02, -0.17), (0.69, 0.48)), base + 0.02), tentorium)
        brain = union(union(cerebrum, p.ellipse(*self.cerebellum)), self._brain_stem(p))
        return Layers(self._skin(p, thickness), cavity, brain)

    def _brain_stem(self, p: Points) -> Distance:
        pons, midbrain = p.ellipse((0.1, 0.16), (0.085, 0.1), 0.2), p.stroke((0.06, 0.0), (0.1, 0.16), 0.13)
        return joined(joined(pons, midbrain, 0.05), p.stroke((0.12, 0.2), (0.17, 1.2), 0.085), 0.06)

    def _skin(self, p: Points, thickness: float) -> Distance:
        vault, behind = p.ellipse((0.02, -0.17), (0.71, 0.5)), p.ellipse((0.36, 0.14), (0.29, 0.25), -0.35)
        nose, lips = p.ellipse((-0.76, 0.36), (0.1, 0.09), 0.6), p.ellipse((-0.71, 0.62), (0.07, 0.1))
        face = joined(joined(p.ellipse((-0.4, 0.42), (0.34, 0.48)), nose, 0.1), lips, 0.04)
        neck = intersection(p.x - 0.46, intersection(-0.35 - p.x, 0.2 - p.y))
        return joined(joined(joined(vault - thickness, behind - thickness, 0.1), face, 0.12), neck, 0.12)

    def outside(self, c: Canvas, p: Points, both: Points, t: Tissues) -> None:
        c.paint(0.6 * t.fat, *(p.ellipse((0.02, y), (0.065, 0.07)) for y in (0.56, 0.74, 0.92)))  # vertebrae
        c.paint(t.air, p.stroke((-0.1, 0.42), (-0.07, 1.0), 0.06))  # pharynx
        c.paint(t.air, p.ellipse((-0.4, 0.35), (0.24, 0.095)))  # nasal cavity and its turbinates
        c.line(t.mucosa, 0.045, p.stroke((-0.6, 0.35), (-0.22, 0.37), 0.045))
        c.line(t.mucosa, 0.04, p.stroke((-0.56, 0.43), (-0.22, 0.44), 0.04))
        c.paint(t.bone, p.stroke((-0.62, 0.5), (-0.2, 0.49), 0.035))  # hard palate
        c.paint(t.muscle, p.ellipse((-0.36, 0.68), (0.22, 0.13)))  # tongue
        c.paint(t.bone, p.stroke((0.02, 0.2), (0.07, 0.44), 0.13))  # clivus and its marrow
        c.paint(0.75 * t.fat, p.stroke((0.015, 0.23), (0.055, 0.42), 0.075))
        c.paint(t.air, p.ellipse((-0.16, 0.25), (0.11, 0.085)))  # sphenoid sinus
        c.paint(t.air, p.ellipse((-0.66, 0.07), (0.04, 0.09), 0.25))  # frontal sinus

    def inside(self, c: Canvas, p: Points, both: Points, t: Tissues, head: Head) -> None:
        above, wide = p.y + 0.06, head.ventricles
        c.paint(t.grey, p.arc((-0.01, -0.09), (0.32, 0.24), 0.05), opacity=0.7)  # cingulate gyrus
        c.paint(t.csf, intersection(p.ellipse((-0.01, -0.08), (0.25, 0.16)), above))  # lateral ventricle
        c.paint(t.white, intersection(p.arc((-0.01, -0.08), (0.235, 0.155), 0.065), above))  # corpus callosum
        c.paint(t.white, p.ellipse((-0.215, -0.1), (0.045, 0.06)))  # its genu
        c.paint(t.white, p.ellipse((0.215, -0.07), (0.05, 0.055)))  # its splenium
        c.line(t.white, 0.03, intersection(p.arc((-0.01, -0.02), (0.16, 0.13 / wide), 0.03), above))  # fornix
        c.paint(t.grey, p.ellipse((0.03, -0.05), (0.12, 0.065), 0.2))  # thalamus
        c.paint(t.grey, p.ellipse((-0.13, 0.04), (0.06, 0.05)))  # hypothalamus
        _paint_cerebellum(c, head, p.ellipse(*self.cerebellum), 18 * np.arctan2(p.y - 0.17, p.x - 0.24))
        c.paint(t.white, p.stroke((0.24, 0.16), (0.37, 0.2), 0.04), soft=0.04)  # its arbor vitae
        c.paint(t.white, self._brain_stem(p))
        c.paint(t.csf, p.ellipse((0.205, 0.16), (0.03 * wide, 0.065), -0.2))  # fourth ventricle
        c.line(t.csf, 0.016, p.stroke((0.13, 0.0), (0.19, 0.12), 0.016))  # aqueduct
        c.line(t.vessel, 0.02, p.stroke((0.25, -0.03), (0.62, 0.09), 0.02))  # straight sinus
        c.paint(t.white, p.stroke((-0.09, 0.09), (-0.16, 0.07), 0.025))  # optic chiasm
        c.line(t.vessel, 0.012, p.stroke((-0.09, 0.1), (-0.1, 0.15), 0.012))  # pituitary stalk
        c.paint(t.bone, p.stroke((-0.2, 0.19), (-0.06, 0.19), 0.05))  # floor of the sella
        c.paint(t.mucosa, p.ellipse((-0.115, 0.165), (0.05, 0.035)))  # pituitary gland


class _SagittalSide(_SagittalMid):  # through the eye
    name, sella, cerebellum = "sagittal-side", None, ((0.37, 0.19), (0.21, 0.145), -0.25)

    def layers(self, p: Points, thickness: float = 0.0) -> Layers:
        top = intersection(p.ellipse((0.02, -0.17), (0.68, 0.48)), p.y - 0.06)
        temporal, behind = p.ellipse((-0.12, 0.12), (0.3, 0.15), 0.1), p.ellipse((0.37, 0.16), (0.25, 0.2), -0.3)
        cavity = joined(joined(top, temporal, 0.1), behind, 0.08)
        top = intersection(p.ellipse((0.02, -0.17), (0.66, 0.46)), p.y - 0.04)
        cerebrum = union(top, p.ellipse((-0.12, 0.12), (0.28, 0.13), 0.1))
        return Layers(self._skin(p, thickness), cavity, union(cerebrum, p.ellipse(*self.cerebellum)))

    def outside(self, c: Canvas, p: Points, both: Points, t: Tissues) -> None:
        c.paint(t.bone, p.ellipse((-0.56, 0.15), (0.19, 0.13), 0.1))  # orbit
        c.paint(t.fat, p.ellipse((-0.57, 0.15), (0.16, 0.105), 0.1))
        c.paint(t.muscle, p.stroke((-0.58, 0.08), (-0.42, 0.16), 0.025))  # superior rectus
        c.paint(t.muscle, p.stroke((-0.58, 0.22), (-0.42, 0.17), 0.025))  # inferior rectus
        c.paint(t.csf, p.ellipse((-0.63, 0.15), (0.085, 0.085)))  # eyeball
        c.paint(t.air, p.ellipse((-0.5, 0.4), (0.13, 0.1)))  # maxillary sinus
        c.paint(t.bone, p.stroke((-0.55, 0.62), (-0.2, 0.64), 0.06))  # maxilla
        c.paint(t.bone, p.stroke((-0.05, 0.35), (0.1, 0.37), 0.09))  # temporomandibular joint

    def inside(self, c: Canvas, p: Points, both: Points, t: Tissues, head: Head) -> None:
        c.paint(t.grey, p.ellipse((0.0, -0.12), (0.2, 0.08), 0.1))  # basal ganglia
        ventricle = p.arc((0.08, -0.08), (0.2, 0.14), 0.06 * head.ventricles, 0.2)
        c.paint(t.csf, intersection(intersection(ventricle, -0.06 - p.x), 0.3 * p.y - p.x))
        c.paint(t.vessel, p.ellipse((0.25, -0.05), (0.025, 0.05)))  # choroid plexus
        c.paint(t.csf, p.stroke((-0.36, 0.05), (0.1, -0.01), 0.024))  # Sylvian fissure
        _paint_cerebellum(c, head, p.ellipse(*self.cerebellum), 75 * np.hypot(p.x - 0.2, p.y - 0.1))
        c.paint(t.white, p.ellipse((0.33, 0.18), (0.08, 0.04)), soft=0.05)  # its white matter
        c.line(t.vessel, 0.014, p.stroke((0.18, 0.05), (0.6, 0.05), 0.02))  # tentorium


PLANES = (_AxialHigh(), _AxialMid(), _AxialLow(), _CoronalMid(), _CoronalBack(), _SagittalMid(), _SagittalSide())
