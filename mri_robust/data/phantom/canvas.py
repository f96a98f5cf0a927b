"""What a slice is drawn with: shapes as signed distances, smooth random fields, and a canvas that tissue is painted on.

Arrays are float32 [H, W]; lengths are in head units, the head being about 1.6 long.
"""

import math
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
