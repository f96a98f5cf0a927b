"""What a slice is drawn with: shapes measured on points, smooth random fields, and a canvas that tissue is painted on.

Arrays are float32 [H, W]; lengths are in head units, the head being about 1.6 long.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Pair = tuple[float, float]
Rim = tuple[Pair, ...]  # (amplitude, phase) of the harmonics 2, 3, … of an outline
Distance = np.ndarray  # signed distance to a shape, negative inside
Field = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""A smooth random function of two coordinates, mean square 1, roughly in [-2, 2]."""


@dataclass(frozen=True)
class Points:
    """Places in head coordinates: `x` to the right, `y` down, of one shape. The methods are distances to shapes."""

    x: np.ndarray
    y: np.ndarray

    @property
    def mirrored(self) -> Points:
        """The left half folded on the right one, so that a shape drawn at x > 0 appears on both sides."""
        return Points(np.abs(self.x), self.y)

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
        waver = np.ones_like(angle)
        for order, (amplitude, phase) in enumerate(rim, start=2):
            waver += amplitude * np.cos(order * angle + phase)
        return np.hypot(dx, dy) - radius * waver


def joined(first: Distance, second: Distance, round_off: float) -> Distance:
    """Union of two shapes with the corner between them filled over about `round_off`."""
    blend = np.maximum(round_off - np.abs(first - second), 0)
    return np.minimum(first, second) - blend * blend * (0.25 / round_off)


def cut(shape: Distance, other: Distance) -> Distance:
    """The part of `shape` that also lies in `other`."""
    return np.maximum(shape, other)


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


def plane_waves(rng: np.random.Generator, count: int, low: float, high: float) -> Field:
    """Draw a sum of waves in all directions; wave numbers `low` to `high`, radians per unit."""
    angles, numbers = rng.uniform(0, 2 * np.pi, count), rng.uniform(low, high, count)
    return _waves(numbers * np.cos(angles), numbers * np.sin(angles), rng)


def fold_waves(rng: np.random.Generator, count: int, low: int, high: int) -> Field:
    """Draw waves over (angle, depth), `low` to `high` whole ones around the circle; their zero lines run like sulci."""
    return _waves(rng.integers(low, high + 1, count), rng.uniform(-14, 14, count), rng)


def rim_waves(rng: np.random.Generator, strength: float, orders: int = 5) -> Rim:
    """Draw the harmonics that make a round outline irregular."""
    amplitudes = strength * rng.uniform(0.3, 1, orders) / np.sqrt(np.arange(1, orders + 1))
    return tuple(zip(amplitudes.tolist(), rng.uniform(0, 2 * np.pi, orders).tolist(), strict=True))


def _waves(a: np.ndarray, b: np.ndarray, rng: np.random.Generator) -> Field:
    waves = np.stack([a, b, rng.uniform(0, 2 * np.pi, len(a))], axis=1).tolist()

    def field(u: np.ndarray, v: np.ndarray) -> np.ndarray:
        total = np.zeros_like(u)
        for across, down, phase in waves:
            total += np.cos(across * u + (down * v + phase))
        return total * math.sqrt(2 / len(waves))

    return field
