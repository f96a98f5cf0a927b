"""The head, drawn at random, and what it is drawn with: signed distances, smooth random fields, a canvas for tissue.

Arrays are float32 [H, W]; lengths are in head units, the head being about 1.6 long.
"""

import math
from collections import namedtuple
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import numpy as np

Pair = tuple[float, float]
Rim = tuple[Pair, ...]  # (amplitude, phase) of the harmonics 2, 3, … of an outline
Distance = np.ndarray  # signed distance to a shape, negative inside
Field = Callable[[np.ndarray, np.ndarray], np.ndarray]  # of two coordinates: mean square 1, roughly in [-2, 2]

union, intersection = np.minimum, np.maximum  # of two shapes; a third argument would be overwritten


def joined(first: Distance, second: Distance, round_off: float) -> Distance:
    """Union of two shapes with the corner between them filled over about `round_off`."""
    blend = np.maximum(round_off - np.abs(first - second), 0)
    return union(first, second) - blend * blend * (0.25 / round_off)


@dataclass(frozen=True)
class Points:
    """Places in head coordinates: `x` to the right, `y` down, of one shape. The methods are distances to shapes."""

    x: np.ndarray
    y: np.ndarray

    @property
    def mirrored(self) -> Self:
        """The left half folded on the right one, so that a shape drawn at x > 0 appears on both sides."""
        return type(self)(np.abs(self.x), self.y)

    def ellipse(self, centre: Pair, radii: Pair, angle: float = 0.0) -> Distance:
        """To an ellipse turned by `angle` radians, exact to first order at its rim."""
        dx, dy = self.x - centre[0], self.y - centre[1]
        if angle:
            cos, sin = float(np.cos(angle)), float(np.sin(angle))
            dx, dy = dx * cos + dy * sin, dy * cos - dx * sin
        dx, dy = dx * (1 / radii[0]), dy * (1 / radii[1])
        level = np.sqrt(dx * dx + dy * dy)
        dx, dy = dx * (1 / radii[0]), dy * (1 / radii[1])
        return level * (level - 1) / (np.sqrt(dx * dx + dy * dy) + 1e-6)

    def arc(self, centre: Pair, radii: Pair, width: float, angle: float = 0.0) -> Distance:
        """To the rim of an ellipse, drawn `width` wide."""
        return np.abs(self.ellipse(centre, radii, angle)) - width / 2

    def stroke(self, start: Pair, stop: Pair, width: float) -> Distance:
        """To a straight line with round ends, drawn `width` wide."""
        ax, ay = stop[0] - start[0], stop[1] - start[1]
        dx, dy = self.x - start[0], self.y - start[1]
        along = np.clip((dx * ax + dy * ay) * (1 / (ax * ax + ay * ay)), 0, 1)
        return np.hypot(dx - along * ax, dy - along * ay) - width / 2

    def blob(self, centre: Pair, radius: float, rim: Rim) -> Distance:
        """To a circle whose radius wavers by the harmonics of `rim`."""
        dx, dy = self.x - centre[0], self.y - centre[1]
        angle = np.arctan2(dy, dx)
        waves = (amplitude * np.cos(order * angle + phase) for order, (amplitude, phase) in enumerate(rim, start=2))
        return np.hypot(dx, dy) - radius * sum(waves, np.ones_like(angle))


class Canvas:
    """The slice being drawn: `value` is its brightness so far, 0 to 1; borders fade over `edge`, about a pixel."""

    def __init__(self, points: Points, edge: float) -> None:
        self.points, self.edge, self.value = points, edge, np.zeros_like(points.x)

    def cover(self, shape: Distance, soft: float = 0.0) -> np.ndarray:
        """How much of each pixel `shape` covers, 0 to 1; `soft` widens its border."""
        return np.clip(0.5 - shape * (1 / (self.edge + soft)), 0, 1)

    def paint(self, value: float | np.ndarray, *shapes: Distance, soft: float = 0.0, opacity: float = 1.0) -> None:
        """Lay tissue of brightness `value` over what is there, one shape after the other."""
        for shape in shapes:
            self.blend(self.cover(shape, soft) * opacity, value)

    def line(self, value: float, width: float, *shapes: Distance) -> None:
        """Like `paint`, for shapes thinner than a pixel: they fade instead of growing."""
        self.paint(value, *shapes, opacity=min(1.0, 1.6 * width / self.edge))

    def blend(self, share: np.ndarray, value: float | np.ndarray) -> None:
        """Replace the share `share` (0 to 1) of every pixel by `value`."""
        self.value += share * (value - self.value)


def waves(rng: np.random.Generator, across: np.ndarray, down: np.ndarray) -> Field:
    """Draw the phases of a sum of plane waves with these wave numbers, in radians per unit."""
    terms = np.stack([across, down, rng.uniform(0, 2 * np.pi, len(across))], axis=1).tolist()

    def field(u: np.ndarray, v: np.ndarray) -> np.ndarray:
        total = sum((np.cos(a * u + (d * v + phase)) for a, d, phase in terms), np.zeros_like(u))
        return total * math.sqrt(2 / len(terms))

    return field


def smooth_field(rng: np.random.Generator, count: int, low: float, high: float) -> Field:
    """Draw a sum of `count` waves in all directions, of `low` to `high` radians per unit."""
    angles, numbers = rng.uniform(0, 2 * np.pi, count), rng.uniform(low, high, count)
    return waves(rng, numbers * np.cos(angles), numbers * np.sin(angles))


Tissues = namedtuple("Tissues", "air bone csf grey muscle mucosa fat vessel white")
"""Brightness of each tissue in a T1 image after contrast agent, 0 to 1."""

Record = Callable[[np.ndarray, np.random.Generator], np.ndarray]
"""(brightness float32 [S, S], generator of the noise) to grey levels, uint8 [S, S]."""


class Head:
    """One head, drawn at random; lengths in head units. The order of the draws is part of the data set's version."""

    def __init__(self, rng: np.random.Generator) -> None:
        zoom, stretch = rng.uniform(0.88, 1.08), rng.uniform(0.94, 1.06)
        self.zoom = (zoom * stretch, zoom / stretch)  # picture units per head unit, for x and y
        self.turn = rng.normal(0, 0.05)  # radians
        self.shift = (rng.normal(0, 0.04), rng.normal(0, 0.04))  # (x, y) in the picture, which spans -1 to 1
        self.flip = rng.random() < 0.5  # mirrored left to right
        white = rng.uniform(0.34, 0.44)
        low, high = (0, 0.03, 0.2, 0.72, 0.6, 1.2, 0.5, 1.3), (0.02, 0.07, 0.45, 0.88, 0.95, 1.6, 0.74, 1.7)
        units = (1, 1, white, white, white, white, 1, white)
        self.tissues = Tissues._make([*(rng.uniform(low, high) * units).tolist(), white])
        self.scalp = rng.uniform(0.04, 0.07)  # its thickness
        self.skull = rng.uniform(0.03, 0.055)  # its thickness
        self.ventricles = rng.uniform(0.7, 1.5)  # their width, 1 is usual
        self.sulci = rng.uniform(0.7, 1.3)  # their width, 1 is usual
        self.sulcus_depth = rng.uniform(0.16, 0.24)
        self.midline = rng.uniform(-0.012, 0.012)  # how the fissure between the hemispheres sways
        # Displaces everything a little, for x and y, so that no head is an ellipse.
        self.bend = (smooth_field(rng, 4, 1.5, 5.0), smooth_field(rng, 4, 1.5, 5.0))
        # Over (angle, depth), with 9 to 21 whole waves around the circle: its zero lines are the sulci.
        self.folds = waves(rng, rng.integers(9, 22, 9), rng.uniform(-14, 14, 9))
        self.sway = smooth_field(rng, 4, 9, 16)  # bends the sulci sideways
        self.grain = smooth_field(rng, 7, 18, 60)  # fine variation of tissue

    def canvas(self, size: int) -> Canvas:
        """A black canvas of `size` x `size` pixels over this head."""
        right, down = _picture(size)
        right, down = right - self.shift[0], down - self.shift[1]
        cos, sin = float(np.cos(self.turn)), float(np.sin(self.turn))
        x = (right * cos + down * sin) * ((-1 if self.flip else 1) / self.zoom[0])
        y = (down * cos - right * sin) * (1 / self.zoom[1])
        points = Points(x + 0.012 * self.bend[0](x, y), y + 0.012 * self.bend[1](x, y))
        return Canvas(points, float(np.hypot(2 / size / self.zoom[0], 0.008)))


def draw_scan(rng: np.random.Generator) -> Record:
    """Draw how a slice is recorded: coil sensitivity, gain, grey scale, black margins and Rician noise."""
    left, top, right, bottom = np.where(rng.random(4) < 0.2, rng.uniform(0.02, 0.16, 4), 0).tolist()
    bias, bias_strength = smooth_field(rng, 3, 0.8, 2.4), rng.uniform(0.03, 0.1)
    gain, gamma, noise = rng.uniform(0.92, 1.12), rng.uniform(0.88, 1.1), rng.uniform(0.003, 0.01)

    def record(value: np.ndarray, noise_rng: np.random.Generator) -> np.ndarray:
        x, y = np.broadcast_arrays(*_picture(len(value)))
        signal = value * (gain * (1 + bias_strength * bias(x, y)))
        real, imaginary = noise_rng.standard_normal((2, *value.shape), dtype=np.float32) * noise
        magnitude = np.clip(np.hypot(signal + real, imaginary), 0, 1) ** gamma
        seen = (x > left - 1) & (x < 1 - right) & (y > top - 1) & (y < 1 - bottom)
        return np.where(seen, np.rint(255 * magnitude), 0).astype(np.uint8)

    return record


def _picture(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Pixel centres of a picture that spans -1 to 1: x as float32 [1, size], y as [size, 1]."""
    axis = ((np.arange(size, dtype=np.float32) + 0.5) * (2 / size) - 1).astype(np.float32)
    return axis[None, :], axis[:, None]
